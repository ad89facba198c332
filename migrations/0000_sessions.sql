CREATE TABLE `sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`thread` text NOT NULL,
	`surface` text NOT NULL,
	`repository` text,
	`title` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`state` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sessions_by_update` ON `sessions` (`updated_at`);