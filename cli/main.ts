/** The command line: `errand start`. */
import { start } from "./start.ts";

const [command, ...rest] = process.argv.slice(2);
if (command === undefined || command === "start" || command.startsWith("-")) {
  process.exitCode = await start(command?.startsWith("-") ? [command, ...rest] : rest);
} else {
  process.stderr.write(`errand knows no command “${command}”. It knows: start. See npm start -- --help\n`);
  process.exitCode = 2;
}
