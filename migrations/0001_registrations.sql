CREATE TABLE `registrations` (
	`state` text PRIMARY KEY NOT NULL,
	`browser` text NOT NULL,
	`webhook` text NOT NULL,
	`expires_at` integer NOT NULL
);
