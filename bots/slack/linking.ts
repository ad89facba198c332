/** What only one person in a thread sees: how to link their account, and what came of it. Pure. */
import { ACTION } from "./actions.ts";
import { actions, type Block, button, context, link, type SlackContent, section } from "./blocks.ts";
import { code, line } from "./escape.ts";

/** The block of the field, in which its content is found when the button beside it is pressed. */
export const NUMBER_BLOCK = "link:number";

const said = (text: string): SlackContent => ({ text: text.replaceAll(/[*`]/g, ""), blocks: [section(text)] });

const field: Block = {
  type: "input",
  block_id: NUMBER_BLOCK,
  dispatch_action: true,
  label: { type: "plain_text", text: "The number that the page shows you" },
  element: {
    type: "plain_text_input",
    action_id: ACTION.number,
    max_length: 12,
    placeholder: { type: "plain_text", text: "123 456" },
    dispatch_action_config: { trigger_actions_on: ["on_enter_pressed"] },
  },
};

/** How to link an account. `url` holds a code that is for this person alone; `repository`: where their request is to work, if one waits. */
export function linkContent(what: { url: string; repository: string | null; minutes: number }): SlackContent {
  const why =
    what.repository === null
      ? "Link your account, so that errand knows what you may ask for."
      : `Work in ${code(what.repository, 200)} takes your own right to write there. Link your account, and what you asked for begins by itself.`;
  return {
    text: "Link your account with errand. Only you can see this.",
    blocks: [
      section(why),
      ...actions("link:open", link(`${ACTION.open}_link`, "Link my account", what.url)),
      field,
      ...actions("link:confirm", [button(ACTION.confirm, "Confirm", "number")]),
      ...context([
        `The link is for you alone and works for ${what.minutes} minutes: do not pass it on. Instead of using the field you can say ${code("link 123456", 40)} here, with your number.`,
      ]),
    ],
  };
}

/** The account is linked, but that user has none at GitHub. `url`: where they add it. */
export const githubMissing = (url: string): SlackContent => ({
  text: "Your errand account has no GitHub account.",
  blocks: [
    section(
      "Your errand account is linked with this Slack account, but with none at GitHub, which says where you may work. Add it, and what you asked for begins by itself.",
    ),
    ...actions("link:open", link(`${ACTION.open}_account`, "Add GitHub", url)),
  ],
});

/** What came of a number, of a word, or of a link that could not be made. */
export const linkWords = {
  linked: (name: string) =>
    said(`:white_check_mark: This Slack account is linked with *${line(name, 200)}* in errand. What you asked for goes on by itself.`),
  already: (name: string) => said(`This Slack account is linked with *${line(name, 200)}* in errand already. Say \`unlink\` to end that.`),
  wrong: (left: number) =>
    said(
      left > 0
        ? `That is not the number that the page shows. You can try ${left === 1 ? "once" : `${left} times`} more.`
        : "That is not the number that the page shows, and this link is over. Say `link` to get a new one.",
    ),
  none: said("There is no open link for you: it is over, or was used. Say `link` to get a new one."),
  notClaimed: said("Open the link in the message above first: the page there shows the number."),
  other: said("This Slack account is another errand user’s. It has to be unlinked there first."),
  another: said("That errand user has another account of this workspace linked. Unlink that first, on your account page."),
  unlinked: said("This Slack account is linked with nobody in errand any more."),
  notLinked: said("This Slack account is linked with nobody in errand."),
  notSetUp: said("Nobody can sign in to this errand with GitHub, so no account can be linked. Whoever runs it can set that up."),
} as const;
