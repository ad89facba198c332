/** The pages' style: one column, system fonts, light and dark by the reader's choice. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: light-dark(#fbfbfa, #16181c);
  --sheet: light-dark(#ffffff, #1e2126);
  --ink: light-dark(#1c1e21, #e7e9ec);
  --quiet: light-dark(#646b75, #98a0ab);
  --line: light-dark(#e2e4e8, #31363d);
  --accent: light-dark(#2f5bd8, #8aa9ff);
  --on-accent: light-dark(#ffffff, #10131a);
  --good: light-dark(#1a7f47, #63c98d);
  --warn: light-dark(#8f5b00, #e0ab4e);
  --bad: light-dark(#b3261e, #ff8f85);
  --soft: light-dark(#f1f3f6, #262a31);
}
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; -webkit-text-size-adjust: 100%; }
body { margin: 0; min-height: 100dvh; display: flex; flex-direction: column; }
a { color: var(--accent); }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
h3, h4 { font-size: 1rem; margin: .75rem 0 .25rem; }
p { margin: .25rem 0; overflow-wrap: anywhere; }
ol, ul { margin: .25rem 0; padding-left: 1.25rem; }
pre { background: var(--soft); border-radius: 6px; padding: .6rem .75rem; overflow-x: auto; font-size: .85rem; max-height: 24rem; }
code { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
pre code { font-size: inherit; }
.looking form { display: none; }
.bar { display: flex; gap: 1rem; align-items: center; justify-content: space-between; padding: .6rem 1rem; border-bottom: 1px solid var(--line); background: var(--sheet); }
.brand { font-weight: 700; text-decoration: none; color: var(--ink); }
main { flex: 1; width: 100%; max-width: 52rem; margin: 0 auto; padding: 1rem; }
main.narrow { max-width: 42rem; padding-top: 2rem; }
.quiet { color: var(--quiet); font-size: .9rem; }
.error, .removed { color: var(--bad); }
.ok, .added { color: var(--good); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.block { margin: .6rem 0; }
.block.prompt { margin-top: 1.75rem; padding: .6rem .9rem; background: var(--soft); border-radius: 10px; }
.said, .writing { white-space: pre-wrap; overflow-wrap: anywhere; }
.said { max-height: 20rem; overflow-y: auto; }
.block.answer { background: var(--sheet); border: 1px solid var(--line); border-radius: 10px; padding: .6rem .9rem; }
.block.ask { border: 1px solid var(--line); border-radius: 10px; padding: .6rem .9rem; }
.block.ask.open { border: 2px solid var(--accent); }
.block.failure { border-left: 3px solid var(--bad); padding: .25rem .75rem; }
.notice { border-left: 3px solid var(--warn); padding: .15rem .75rem; }
.block.state { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
.block.sandbox { margin-top: 2rem; border-top: 1px solid var(--line); padding-top: .75rem; }
.rich p { white-space: pre-wrap; }
.rich li { white-space: pre-line; }
.links, .buttons, .row { display: flex; flex-wrap: wrap; gap: .5rem; margin: .6rem 0; }
.ports { list-style: none; padding: 0; margin: .6rem 0; display: grid; gap: .35rem; }
.ports a { display: inline-block; padding: .3rem 0; }
.ports li { overflow-wrap: anywhere; }
button, .button { font: inherit; border: 1px solid var(--line); background: var(--sheet); color: var(--ink); border-radius: 8px; padding: .4rem .9rem; min-height: 2.5rem; cursor: pointer; text-decoration: none; display: inline-flex; align-items: center; }
button:hover, .button:hover { border-color: var(--accent); }
button:disabled { opacity: .5; cursor: default; }
.composer button, .start button { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.small { min-height: 2rem; padding: .15rem .7rem; font-size: .9rem; }
textarea, input[type=text] { font: inherit; color: inherit; background: var(--sheet); border: 1px solid var(--line); border-radius: 8px; padding: .5rem .7rem; width: 100%; min-width: 0; }
textarea { resize: vertical; display: block; }
.row input { flex: 1 1 8rem; width: auto; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.composer { position: sticky; bottom: 0; background: var(--paper); border-top: 1px solid var(--line); padding: .75rem 1rem calc(.75rem + env(safe-area-inset-bottom)); }
.composer form { max-width: 50rem; margin: 0 auto; display: flex; gap: .5rem; align-items: end; }
.composer p { max-width: 50rem; margin: .25rem auto 0; }
.composer p:empty { display: none; }
.pill { border-radius: 999px; padding: .05rem .6rem; font-size: .85rem; background: var(--soft); color: var(--quiet); }
.pill.starting, .pill.working, .pill.stopping { color: var(--accent); }
.pill.waiting { color: var(--warn); }
.pill.done { color: var(--good); }
.pill.failed { color: var(--bad); }
.plan, .phases, .services, .files, .sessions, .transcript ol, [data-steps="0"] { list-style: none; padding-left: 0; }
.transcript ol, .phases, .services { padding-left: 1rem; }
.transcript:not(:has(li)) { display: none; }
.transcript li { margin: .2rem 0; overflow-wrap: anywhere; }
.plan .completed { color: var(--quiet); }
.plan .in_progress { font-weight: 600; }
.plan .cancelled { color: var(--quiet); text-decoration: line-through; }
.sessions li { padding: .6rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.sessions a { display: block; font-weight: 600; text-decoration: none; }
.setup { margin: 1rem 0 1.5rem; }
.setup label { display: block; font-weight: 600; margin-top: 1rem; }
.setup button { margin-top: 1rem; background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.providers { display: grid; gap: .6rem; max-width: 22rem; margin: 1.25rem 0; }
.providers .button { justify-content: center; min-height: 2.75rem; background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
.places { list-style: none; padding-left: 0; }
.places li { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: center; justify-content: space-between; padding: .6rem 0; border-top: 1px solid var(--line); }
.places p { margin: 0; }
.asked li, .mistakes li { margin: .3rem 0; }
.copied pre { margin-top: .35rem; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.side { border: 1px solid var(--line); border-radius: 10px; background: var(--sheet); padding: .75rem 1rem; }
.side h2 { margin: 0 0 .35rem; font-size: .9rem; color: var(--quiet); }
.side .who { display: flex; align-items: center; gap: .6rem; }
.initial { flex: none; display: inline-grid; place-items: center; width: 2.25rem; height: 2.25rem; border-radius: 50%; background: var(--accent); color: var(--on-accent); font-weight: 700; }
.number { font-size: 2.75rem; font-weight: 700; letter-spacing: .08em; font-variant-numeric: tabular-nums; margin: 1rem 0; }
summary { cursor: pointer; }
.dot { display: inline-block; width: .6rem; height: .6rem; border-radius: 50%; background: var(--quiet); }
.dot.ready, .dot.available { background: var(--good); }
.dot.starting, .dot.connected, .dot.restarting { background: var(--warn); }
.dot.lost, .dot.unavailable { background: var(--bad); }
.phases .running { color: var(--accent); }
.phases .failed { color: var(--bad); }
.spinner { display: inline-block; width: .8rem; height: .8rem; border: 2px solid var(--line); border-top-color: var(--accent); border-radius: 50%; animation: turn 1s linear infinite; }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .spinner { animation: none; } }
@media (max-width: 30rem) { main { padding: .75rem; } .composer { padding-inline: .75rem; } }
`;
