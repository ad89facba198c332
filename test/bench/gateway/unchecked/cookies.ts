/** The gateway's cookies for a gateway that does not look at the request's: what the check costs is the difference. */
export * from "../../../../gateway/cookies.ts";
export const onlyCookie = (): string => "";
