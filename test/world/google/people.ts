/** Who is on the local Google. */
import type { GoogleUser } from "./emulator.ts";

const person = (number: number, email: string, name: string, more: Pick<GoogleUser, "email_verified" | "hd">): GoogleUser => ({
  uid: `1092000000000000000${String(number).padStart(2, "0")}`,
  email,
  name,
  given_name: name,
  family_name: "",
  picture: null,
  locale: "en",
  ...more,
});

/** What a person is here for, by address. */
export const ABOUT: Record<string, string> = {
  "ada@acme.example": "you, of acme.example",
  "grace@acme.example": "colleague, of acme.example",
  "mallory@elsewhere.example": "outsider",
  "boss@acme.example": "an address that was never verified",
};

/** Two of a Workspace, one of nowhere, and one who gives an address of that Workspace's and never proved that it is theirs. */
export const GOOGLE_PEOPLE: readonly GoogleUser[] = [
  person(1, "ada@acme.example", "Ada", { email_verified: true, hd: "acme.example" }),
  person(2, "grace@acme.example", "Grace", { email_verified: true, hd: "acme.example" }),
  person(3, "mallory@elsewhere.example", "Mallory", { email_verified: true, hd: null }),
  person(4, "boss@acme.example", "The Boss", { email_verified: false, hd: null }),
];
