CREATE TABLE `session_members` (
	`person` text NOT NULL,
	`session` text NOT NULL,
	PRIMARY KEY(`person`, `session`)
);
