/** nginx as what the gateway is compared with: one worker, kept connections on both sides, no log. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** More than any run asks on one connection: by default nginx closes each after a thousand. */
const REQUESTS = 1_000_000_000;

const upstream = (name: string, port: number) =>
  `upstream ${name} { server 127.0.0.1:${port}; keepalive 64; keepalive_requests ${REQUESTS}; }`;

const SAID = `proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto http; proxy_max_temp_file_size 0;`;

/** A server of the files in a folder. */
export const filesServer = (port: number, folder: string): string =>
  `server { listen 127.0.0.1:${port}; root ${folder}; open_file_cache max=10; }`;

/** A reverse proxy with the gateway's routes, which with `check` (a port) asks there about every request (`auth_request`). */
export function proxyServer(port: number, to: { files: number; sockets: number; check?: number }): string {
  const check = to.check === undefined ? "" : "auth_request /check;";
  return `${upstream("files", to.files)}
  ${upstream("sockets", to.sockets)}
  ${to.check === undefined ? "" : upstream("checks", to.check)}
  server {
    listen 127.0.0.1:${port};
    location /vscode/ { ${check} proxy_pass http://files/; proxy_set_header Connection ""; ${SAID} }
    location /terminal/ { ${check} proxy_pass http://sockets/; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; ${SAID} }
    ${to.check === undefined ? "" : 'location = /check { internal; proxy_pass http://checks; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header Connection ""; proxy_http_version 1.1; }'}
  }`;
}

/** Starts one with a folder of its own. It is one process: the worker alone, without a master that would only watch it. */
export function startNginx(program: string, folder: string, server: string): ChildProcess {
  mkdirSync(folder, { recursive: true });
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${join(folder, name)};`);
  const file = join(folder, "nginx.conf");
  writeFileSync(
    file,
    `daemon off; master_process off; worker_processes 1; pid ${join(folder, "pid")}; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nodelay on; keepalive_requests ${REQUESTS}; default_type application/octet-stream;
  ${places.join(" ")}
  ${server}
}
`,
  );
  return spawn(program, ["-p", folder, "-c", file, "-e", "stderr"], { stdio: ["ignore", "ignore", "inherit"] });
}
