/** Text as people type it into Slack, turned into text for an agent. Pure, and linear in the length of the text. */

/** Whether a raw Slack text mentions this user. */
export function mentions(raw: string, user: string): boolean {
  return raw.includes(`<@${user}>`) || raw.includes(`<@${user}|`);
}

/** Whether a raw Slack text mentions a person or bot other than this one. */
export function mentionsOthers(raw: string, user: string): boolean {
  for (const match of raw.matchAll(/<@([A-Z0-9]+)[|>]/g)) if (match[1] !== user) return true;
  return false;
}

/** Slack escapes exactly these three; each is decoded once. */
function unescapeEntities(text: string): string {
  return text.replace(/&(amp|lt|gt);/g, (_, name: string) => (name === "amp" ? "&" : name === "lt" ? "<" : ">"));
}

function token(inner: string): string {
  const bar = inner.indexOf("|");
  const target = bar < 0 ? inner : inner.slice(0, bar);
  const label = bar < 0 ? "" : inner.slice(bar + 1);
  if (target.startsWith("@")) return `@${label.replace(/^@/, "") || target.slice(1)}`;
  if (target.startsWith("#")) return `#${label || target.slice(1)}`;
  if (target.startsWith("!date")) return label || target;
  if (target.startsWith("!")) return `@${label.replace(/^@/, "") || target.slice(1).replace(/^subteam\^/, "")}`;
  const bare = target.replace(/^mailto:/, "");
  // Slack makes a link of every host name and address it sees and keeps what was typed as the label.
  if (label === "" || label === bare || `http://${label}` === target || `https://${label}` === target) return label || bare;
  return `${label} (${bare})`;
}

/** Takes Slack's `<…>` tokens and entities apart: the own mention goes, other mentions stay as `@name` where Slack says the name. */
export function plainText(raw: string, self: string): string {
  const own = new RegExp(`[ \\t]?<@${self.replace(/[^A-Z0-9]/g, "")}(?:\\|[^<>\\n]{0,100})?>`, "g");
  const text = raw.replace(own, "").replace(/<([@#!]?[^<>\n]+)>/g, (_, inner: string) => token(inner));
  // People write "@errand: do this"; what is left of that is not part of the task.
  return unescapeEntities(text)
    .trim()
    .replace(/^[:,]\s*/, "");
}
