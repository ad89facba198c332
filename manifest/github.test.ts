import { describe, expect, it } from "vitest";
import { EVENTS, nameMistake, renderGitHubManifest, siteOf, webhookAddress } from "./github.ts";
import { command } from "./render.ts";

const WEBHOOK = "https://errand.acme.dev/github/webhook";

describe("the GitHub manifest", () => {
  const manifest = renderGitHubManifest({ name: "errand-acme", origin: "https://errand.acme.dev/somewhere", webhook: WEBHOOK });

  it("has every address from the configured one", () => {
    expect(manifest).toMatchObject({
      url: "https://errand.acme.dev",
      hook_attributes: { url: WEBHOOK, active: true },
      redirect_url: "https://errand.acme.dev/setup/github/created",
      setup_url: "https://errand.acme.dev/setup/github/installed",
    });
  });

  it("asks for what errand needs and nothing more", () => {
    expect(manifest.default_permissions).toEqual({
      metadata: "read",
      contents: "write",
      issues: "write",
      pull_requests: "write",
      checks: "write",
      actions: "read",
      statuses: "read",
      members: "read",
      emails: "read",
    });
    expect([manifest.public, manifest.request_oauth_on_install]).toEqual([false, false]);
  });

  it("lists no event that GitHub sends anyway and refuses in a list", () => {
    for (const event of ["installation", "installation_repositories", "github_app_authorization"]) expect(EVENTS).not.toContain(event);
    expect(manifest.default_events).toEqual([...EVENTS]);
  });
});

describe("where webhooks go", () => {
  it.each([
    ["https://errand.acme.dev", WEBHOOK],
    ["https://errand.acme.dev/", WEBHOOK],
    [" https://smee.io/AbC123 ", "https://smee.io/AbC123"],
    ["https://errand.acme.dev/github/webhook", WEBHOOK],
    ["https://203.0.113.7:8443", "https://203.0.113.7:8443/github/webhook"],
    ["https://[2001:db8::1]", "https://[2001:db8::1]/github/webhook"],
    ["https://172.15.0.1", "https://172.15.0.1/github/webhook"],
  ])("%j is %j", (given, url) => expect(webhookAddress(given, "github.com")).toEqual({ ok: true, url }));

  it.each([
    ["http://127.0.0.1:8787", "this machine"],
    ["https://localhost", "this machine"],
    ["https://errand.localhost", "this machine"],
    ["https://0.0.0.0", "this machine"],
    ["https://[::1]:8787", "this machine"],
    ["https://[::ffff:127.0.0.1]", "this machine"],
    ["https://2130706433", "this machine"],
    ["https://10.0.0.1", "public internet"],
    ["https://172.16.0.1", "public internet"],
    ["https://192.168.1.1", "public internet"],
    ["https://169.254.169.254", "public internet"],
    ["https://100.64.0.1", "public internet"],
    ["https://[fd00::1]", "public internet"],
    ["https://[fe80::1]", "public internet"],
    ["https://[::ffff:10.0.0.1]", "public internet"],
    ["https://build-machine", "public internet"],
    ["https://errand.internal", "public internet"],
    ["https://errand.local.", "public internet"],
    ["http://errand.acme.dev", "use https://"],
    ["errand.acme.dev", "not an address"],
    ["ftp://errand.acme.dev", "not an address"],
    ["https://user:word@errand.acme.dev", "not an address"],
    ["", "not an address"],
  ])("%j is refused: %s", (given, why) => {
    const refused = webhookAddress(given, "github.com");
    expect(refused).toMatchObject({ ok: false, why: expect.stringContaining(why) });
  });

  it("a server of one's own may be in one's own network, but is another machine", () => {
    expect(webhookAddress("http://10.0.0.1:8787", "server")).toEqual({ ok: true, url: "http://10.0.0.1:8787/github/webhook" });
    expect(webhookAddress("http://127.0.0.1:8787", "server")).toMatchObject({ ok: false });
  });

  it.each([
    [null, "github.com"],
    ["https://github.com", "github.com"],
    ["https://acme.ghe.com", "github.com"],
    ["https://github.acme.dev", "server"],
    ["https://notgithub.com", "server"],
  ] as const)("%j is on %s", (address, site) => expect(siteOf(address)).toBe(site));
});

it.each([
  ["errand-acme", null],
  ["a".repeat(34), null],
  ["a".repeat(35), "35 characters"],
  ["", "must be letters"],
  ["-errand", "must be letters"],
  ['er"rand', "must be letters"],
])("the name %j: %s", (name, mistake) => {
  if (mistake === null) expect(nameMistake(name)).toBeNull();
  else expect(nameMistake(name)).toContain(mistake);
});

describe("the command", () => {
  it("prints both surfaces, or one to paste", () => {
    const both = JSON.parse(command(["https://errand.acme.dev"]));
    expect(both.github).toEqual(JSON.parse(command(["github", "https://errand.acme.dev"])));
    expect(both.slack).toEqual(JSON.parse(command(["slack", "https://errand.acme.dev"])));
    expect(JSON.parse(command(["--socket"])).settings.socket_mode_enabled).toBe(true);
    const dev = command(["github", "http://127.0.0.1:8787", "--webhook", "https://smee.io/abc", "--name", "errand-ada"]);
    expect(JSON.parse(dev)).toMatchObject({ name: "errand-ada", hook_attributes: { url: "https://smee.io/abc" } });
  });

  it("says how to use it", () => expect(command(["--help"])).toMatch(/slack <address>[\s\S]*github <address>[\s\S]*--webhook/));

  it.each([
    [[], "Say where the Worker is"],
    [["github"], "Say where the Worker is"],
    [["github", "errand.acme.dev"], "is not an address"],
    [["github", "http://127.0.0.1:8787"], "--webhook https://smee.io/"],
    [["github", "https://errand.acme.dev", "--name", "x".repeat(40)], "at most 34"],
    [["slack", "http://errand.acme.dev"], "not an address Slack can call"],
    [["slack", "https://a.example", "https://b.example"], "one word too many"],
    [["--nope"], "--nope"],
  ])("%j is refused in words", (argv, why) => expect(() => command(argv)).toThrow(why));
});
