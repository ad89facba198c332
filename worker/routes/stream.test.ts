import { expect, test } from "vitest";
import { sseMessage } from "./stream.ts";

test.each([
  ['{"t":"snapshot","n":7,"view":{}}', 'id: 7\ndata: {"t":"snapshot","n":7,"view":{}}\n\n'],
  ['{"t":"events","events":[{"n":8},{"n":9}]}', 'id: 9\ndata: {"t":"events","events":[{"n":8},{"n":9}]}\n\n'],
  ['{"t":"live","event":{}}', 'data: {"t":"live","event":{}}\n\n'],
  ['{"t":"events","events":[]}', 'data: {"t":"events","events":[]}\n\n'],
  ["not\nJSON\r\nid: 3", "data: not\ndata: JSON\ndata: id: 3\n\n"],
])("%j", (frame, message) => expect(sseMessage(frame)).toBe(message));
