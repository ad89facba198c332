import { describe, expect, it } from "vitest";
import { renderSlackManifest } from "./render.ts";

describe("the Slack manifest", () => {
  it("sends events and clicks to the address", () => {
    const { settings } = renderSlackManifest({ kind: "http", origin: "https://errand.acme.dev/somewhere" });
    expect(settings.event_subscriptions.request_url).toBe("https://errand.acme.dev/slack/events");
    expect(settings.interactivity.request_url).toBe("https://errand.acme.dev/slack/events");
    expect(settings.socket_mode_enabled).toBe(false);
  });

  it("has no address for development by Socket Mode, and another name", () => {
    const manifest = renderSlackManifest({ kind: "socket" });
    expect(JSON.stringify(manifest)).not.toContain("https://");
    expect(manifest.settings.socket_mode_enabled).toBe(true);
    expect([manifest.display_information.name, manifest.features.bot_user.display_name]).toEqual(["Errand (dev)", "errand-dev"]);
  });

  it.each(["http://errand.acme.dev", "errand.acme.dev", ""])("refuses an address that Slack cannot call: %j", (origin) => {
    expect(() => renderSlackManifest({ kind: "http", origin })).toThrow("not an address Slack can call");
  });
});
