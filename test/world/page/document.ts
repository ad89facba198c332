/** The whole page as HTML. Pure. */
import { Html, html } from "./html.ts";
import { tabs } from "./tabs.ts";
import { namesOf, type Place, paneHtml, panesOf, type Snapshot } from "./view.ts";

/** What a newcomer finds in the composer of a channel in which they have said nothing. */
export const SUGGESTION = "@errand add a --version option to the sample and run its tests";

function composer(options: { channel: string; thread: string | null; label: string; text: string; id: string }): Html {
  const { channel, thread, label, text, id } = options;
  return html`<form class="composer" method="post" action="/post" data-composer>
<input type="hidden" name="channel" value="${channel}">
${thread ? html`<input type="hidden" name="thread_ts" value="${thread}">` : html``}
<input type="hidden" name="client_msg_id" value="${id}">
<textarea name="text" rows="1" maxlength="40000" aria-label="${label}" placeholder="${label}" autocomplete="off">${text}</textarea>
<div class="composer-bar">
<button type="button" class="at" data-mention title="Mention errand">@errand</button>
<span class="hint">Enter sends · Shift+Enter new line</span>
<button type="submit" class="button primary">Send</button>
</div>
<p class="failed" role="alert" hidden></p>
</form>`;
}

/** How a page is made: `nonce` goes with the content security policy, `newId` makes ids of messages to be, `tabs` says whether there is a GitHub. */
export interface DocumentOptions {
  nonce: string;
  newId: () => string;
  workspace: string;
  tabs?: boolean;
}

/** The page of a place. */
export function documentOf(snapshot: Snapshot, place: Place, options: DocumentOptions): Html {
  const names = namesOf(snapshot);
  const panes = panesOf(snapshot, place);
  const here = snapshot.channels.find((channel) => channel.channel_id === place.channel);
  const name = here?.name ?? place.channel;
  const fresh = !snapshot.messages.some((message) => message.channel_id === place.channel && message.user === snapshot.me);
  const channels = snapshot.channels
    .filter((channel) => !channel.is_im && channel.members.includes(snapshot.me))
    .map((channel) => {
      const current = channel.channel_id === place.channel;
      return html`<a href="/c/${channel.channel_id}"${current ? html` aria-current="page"` : html``} data-go><span class="hash">#</span> ${channel.name}</a>`;
    });
  const thread = place.thread
    ? html`<aside class="thread" aria-label="Thread">
<header class="bar"><h2>Thread <span class="quiet">#${name}</span></h2><a href="/c/${place.channel}" class="close" data-go data-close aria-label="Close the thread">✕</a></header>
<div class="messages" data-pane="thread" tabindex="0" role="log" aria-label="Messages of the thread">${paneHtml(panes.thread)}</div>
<div class="status" data-status role="status">${new Html(panes.status)}</div>
${composer({ channel: place.channel, thread: place.thread, label: "Reply…", text: "", id: options.newId() })}
</aside>`
    : html``;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>#${name} · ${options.workspace}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css" nonce="${options.nonce}">
<script type="module" src="/page.js" nonce="${options.nonce}"></script>
</head>
<body>
${options.tabs ? tabs("slack") : null}<div class="banner" data-banner role="alert" hidden></div>
<main class="app${place.thread ? " with-thread" : ""}" data-app data-channel="${place.channel}" data-thread="${place.thread ?? ""}">
<nav aria-label="Channels">
<div class="workspace"><b>${options.workspace}</b><span class="quiet">a Slack on this machine</span></div>
<div class="channels">${channels}</div>
<p class="you"><span class="dot"></span>${names.users.get(snapshot.me) ?? snapshot.me}</p>
</nav>
<section class="channel" aria-label="Channel ${name}">
<header class="bar"><h1># ${name}</h1><span class="quiet topic">${here?.topic.value ?? ""}</span></header>
<div class="messages" data-pane="channel" tabindex="0" role="log" aria-label="Messages of the channel">${paneHtml(panes.channel)}</div>
${composer({ channel: place.channel, thread: null, label: `Message #${name}`, text: fresh ? SUGGESTION : "", id: options.newId() })}
</section>
${thread}
</main>
</body>
</html>`;
}
