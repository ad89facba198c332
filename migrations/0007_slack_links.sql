CREATE TABLE `slack_links` (
	`subject` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`name` text NOT NULL,
	`workspace` text NOT NULL,
	`made_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`user_id` text,
	`tries` integer DEFAULT 0 NOT NULL,
	`linked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `slack_links_by_hash` ON `slack_links` (`hash`);--> statement-breakpoint
CREATE TABLE `slack_waiting` (
	`person` text NOT NULL,
	`session` text NOT NULL,
	`until` integer NOT NULL,
	PRIMARY KEY(`person`, `session`)
);
