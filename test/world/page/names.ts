/** Names for ids: what people type and see where Slack keeps ids, both ways. Pure. */

/** Who and what can be named. */
export interface Names {
  /** Display names by user id. */
  users: ReadonlyMap<string, string>;
  /** Channel names, without `#`, by channel id. */
  channels: ReadonlyMap<string, string>;
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** What a person typed, as Slack's text: the three special characters escaped, `@name` and `#channel` as ids where they are known. */
export function toSlackText(typed: string, names: Names): string {
  let text = typed.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  for (const [id, name] of names.users) {
    text = text.replace(new RegExp(`(^|[^\\w@])@${escapeRegExp(name)}(?![\\w-])`, "gi"), (_, before: string) => `${before}<@${id}>`);
  }
  for (const [id, name] of names.channels) {
    text = text.replace(
      new RegExp(`(^|[^\\w#&])#${escapeRegExp(name)}(?![\\w-])`, "g"),
      (_, before: string) => `${before}<#${id}|${name}>`,
    );
  }
  return text;
}

/** Slack's text as a person would type it: the other way round. */
export function toTypedText(text: string, names: Names): string {
  return text
    .replace(/<@(\w+)(?:\|[^>]*)?>/g, (whole, id: string) => (names.users.has(id) ? `@${names.users.get(id)}` : whole))
    .replace(/<#(\w+)(?:\|[^>]*)?>/g, (whole, id: string) => (names.channels.has(id) ? `#${names.channels.get(id)}` : whole))
    .replace(/<((?:https?|mailto):[^|>]+)(?:\|[^>]*)?>/g, "$1")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&amp;/g, "&");
}
