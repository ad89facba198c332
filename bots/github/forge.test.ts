import { describe, expect, it } from "vitest";
import { repositoryOf } from "./forge.ts";

describe("repositoryOf", () => {
  const table: [string, string, string | null][] = [
    ["https://github.com/acme/sample.git", "https://github.com", "acme/sample"],
    ["https://github.com/acme/sample", "https://github.com/", "acme/sample"],
    ["https://GitHub.com/acme/sample/", "https://github.com", "acme/sample"],
    ["https://github.com/acme_co/a.b-c.git", "https://github.com", "acme_co/a.b-c"],
    ["https://github.com/acme/sample.git/info/lfs", "https://github.com", "acme/sample"],
    ["http://127.0.0.1:4000/git/acme/sample.git", "http://127.0.0.1:4000/git", "acme/sample"],
    ["http://127.0.0.1:4000/other/acme/sample.git", "http://127.0.0.1:4000/git", null],
    ["https://github.com.evil.test/acme/sample", "https://github.com", null],
    ["http://github.com/acme/sample", "https://github.com", null],
    ["https://github.com:444/acme/sample", "https://github.com", null],
    ["https://evil@github.com/acme/sample", "https://github.com", null],
    ["https://github.com/acme/sample?x=1", "https://github.com", null],
    ["https://github.com/acme", "https://github.com", null],
    ["https://github.com/acme/..", "https://github.com", null],
    ["https://github.com/acme/sample/tree/main", "https://github.com", null],
    ["https://github.com/acme/%2e%2e%2fother", "https://github.com", null],
    ["git@github.com:acme/sample.git", "https://github.com", null],
    ["acme/sample", "https://github.com", null],
    ["https://github.com/acme/sample", "not an address", null],
  ];
  it.each(table)("%s below %s is %s", (clone, web, repository) => expect(repositoryOf(clone, web)).toBe(repository));

  it("takes what it makes, whatever ends in .git twice", () => {
    expect(repositoryOf("https://github.com/acme/sample.git.git", "https://github.com")).toBe("acme/sample.git");
  });
});
