CREATE TABLE `github_missed` (
	`guid` text PRIMARY KEY NOT NULL,
	`delivery` text NOT NULL,
	`event` text NOT NULL,
	`first_at` integer NOT NULL,
	`tries` integer NOT NULL,
	`next_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `github_repositories` (
	`id` text PRIMARY KEY NOT NULL,
	`installation` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `github_repositories_by_installation` ON `github_repositories` (`installation`);--> statement-breakpoint
CREATE TABLE `github_sweep` (
	`id` integer PRIMARY KEY NOT NULL,
	`begun_at` integer NOT NULL,
	`watermark` integer NOT NULL,
	`cursor` text,
	`until` integer
);
--> statement-breakpoint
CREATE INDEX `sessions_by_thread` ON `sessions` (`thread`);