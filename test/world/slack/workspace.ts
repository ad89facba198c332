/** The workspace this world starts with: who is in it, its channels, and the tokens to act as each. */
import type { SlackTables } from "./emulator.ts";
import type { User } from "./records.ts";

/** Ids of everything seeded. They stay the same on every start, so that kept data and tests can name them. */
export const WORKSPACE = {
  team: "T000000001",
  name: "Errand Workshop",
  domain: "errand-workshop",
  app: "A0ERRAND01",
  /** The person in front of the machine. */
  you: "U000000001",
  /** Someone else, for tests of what others may do. */
  colleague: "U000000002",
  bot: "U0ERRAND01",
  botId: "B0ERRAND01",
  channels: { general: "C000000001", demo: "C000000002" },
} as const;

/** Tokens by whom they act as. They open this emulator only, which listens on loopback only. */
export const TOKENS = { bot: "xoxb-errand-local", you: "xoxp-you-local", colleague: "xoxp-colleague-local" } as const;

/** The scopes errand's manifest asks for, as the bot's token carries them. */
const BOT_SCOPES = [
  "app_mentions:read assistant:write chat:write commands channels:history channels:read groups:history groups:read",
  "im:history im:read im:write mpim:history mpim:read files:read files:write links:read links:write reactions:write team:read users:read",
].flatMap((line) => line.split(" "));
const USER_SCOPES = [
  "chat:write channels:history channels:read channels:write groups:history groups:read groups:write im:history im:read im:write",
  "files:read files:write reactions:write reactions:read users:read team:read",
].flatMap((line) => line.split(" "));

function person(id: string, name: string, realName: string, bot: boolean): User {
  const email = `${name}@errand-workshop.example`;
  return {
    user_id: id,
    team_id: WORKSPACE.team,
    name,
    real_name: realName,
    email,
    is_admin: id === WORKSPACE.you,
    is_bot: bot,
    deleted: false,
    profile: {
      display_name: name,
      real_name: realName,
      email,
      image_48: "",
      image_192: "",
      real_name_normalized: realName,
      display_name_normalized: name,
      status_text: "",
      status_emoji: "",
      status_emoji_display_info: [],
      status_expiration: 0,
    },
    presence: "active",
    manual_presence: "auto",
    connection_count: 1,
  };
}

/** Turns the emulator's default workspace into ours. To be called once, on a fresh store. `now` in ms. */
export function seedWorkspace(tables: SlackTables, now: number): void {
  const team = tables.teams.all()[0];
  if (team) tables.teams.update(team.id, { team_id: WORKSPACE.team, name: WORKSPACE.name, domain: WORKSPACE.domain });
  for (const user of tables.users.all()) tables.users.delete(user.id);
  for (const channel of tables.channels.all()) tables.channels.delete(channel.id);
  tables.users.insert(person(WORKSPACE.you, "you", "You", false));
  tables.users.insert(person(WORKSPACE.colleague, "sam", "Sam Colleague", false));
  tables.users.insert(person(WORKSPACE.bot, "errand", "errand", true));
  for (const bot of tables.bots.all()) tables.bots.delete(bot.id);
  tables.bots.insert({
    bot_id: WORKSPACE.botId,
    app_id: WORKSPACE.app,
    user_id: WORKSPACE.bot,
    name: "errand",
    deleted: false,
    icons: { image_48: "" },
  });
  const members = [WORKSPACE.you, WORKSPACE.colleague, WORKSPACE.bot];
  const seconds = Math.floor(now / 1000);
  const channel = (id: string, name: string, topic: string) =>
    tables.channels.insert({
      channel_id: id,
      team_id: WORKSPACE.team,
      name,
      is_channel: true,
      is_private: false,
      is_archived: false,
      topic: { value: topic, creator: WORKSPACE.you, last_set: seconds },
      purpose: { value: topic, creator: WORKSPACE.you, last_set: seconds },
      members: [...members],
      creator: WORKSPACE.you,
      num_members: members.length,
    });
  channel(WORKSPACE.channels.general, "general", "Anything");
  channel(WORKSPACE.channels.demo, "errand-demo", "Mention @errand and give it something to do");
}

/** Puts the tokens in place. To be called on every start: they are not kept data. */
export function seedTokens(tables: SlackTables, botToken: string): void {
  for (const token of tables.tokens.all()) tables.tokens.delete(token.id);
  const token = (value: string, user: string, scopes: string[], more: object) =>
    tables.tokens.insert({ token: value, token_type: "user", team_id: WORKSPACE.team, user_id: user, scopes, ...more });
  token(TOKENS.you, WORKSPACE.you, USER_SCOPES, {});
  token(TOKENS.colleague, WORKSPACE.colleague, USER_SCOPES, {});
  token(botToken, WORKSPACE.bot, BOT_SCOPES, {
    token_type: "bot",
    app_id: WORKSPACE.app,
    bot_id: WORKSPACE.botId,
    bot_user_id: WORKSPACE.bot,
  });
}
