/** Rows of the emulator's store, as far as this world uses them. Field names are Slack's own where Slack has them. */

/** A JSON object of Slack's: a block, an element, a payload. */
export type Json = Record<string, unknown>;

/** A workspace. */
export interface Team {
  team_id: string;
  name: string;
  domain: string;
}

/** A person or a bot. */
export interface User {
  user_id: string;
  team_id: string;
  name: string;
  real_name: string;
  email: string;
  is_admin: boolean;
  is_bot: boolean;
  deleted: boolean;
  profile: Json;
  presence: string;
  manual_presence: string;
  connection_count: number;
}

/** What stands behind a bot user. */
export interface Bot {
  bot_id: string;
  app_id: string;
  user_id: string;
  name: string;
  deleted: boolean;
  icons: { image_48: string };
}

/** A channel. */
export interface Channel {
  channel_id: string;
  team_id: string;
  name: string;
  is_channel: boolean;
  is_private: boolean;
  is_archived: boolean;
  is_im?: boolean;
  is_mpim?: boolean;
  topic: { value: string; creator: string; last_set: number };
  purpose: { value: string; creator: string; last_set: number };
  members: string[];
  creator: string;
  num_members: number;
}

/** A message. `ts` is its id within the channel; `thread_ts` names the thread's first message on replies. */
export interface Message {
  ts: string;
  channel_id: string;
  user: string;
  text: string;
  type: string;
  subtype?: string | undefined;
  thread_ts?: string | undefined;
  bot_id?: string | undefined;
  app_id?: string | undefined;
  client_msg_id?: string | undefined;
  blocks?: Json[] | undefined;
  metadata?: Json | undefined;
  edited?: { user: string; ts: string } | undefined;
  reply_broadcast?: boolean | undefined;
  reply_count: number;
  reply_users: string[];
  reactions: { name: string; users: string[]; count: number }[];
}

/** A message that only `target_user` sees. */
export interface EphemeralMessage extends Message {
  target_user: string;
}

/** A token and what it may do. */
export interface Token {
  token: string;
  token_type: string;
  team_id: string;
  user_id: string;
  scopes: string[];
  app_id?: string | undefined;
  bot_id?: string | undefined;
  bot_user_id?: string | undefined;
}
