ALTER TABLE `sessions` ADD `branch` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `closed` integer DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_by_branch` ON `sessions` (`repository`,`branch`);