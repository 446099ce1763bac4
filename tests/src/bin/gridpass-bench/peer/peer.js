// PouchDB beside GridPass: the same records, a server with LevelDB behind HTTP, a client with LevelDB for the phone.
// Reads a file with one JSON record per line, prints one JSON line with times in milliseconds.
//
//   node peer.js RECORDS.jsonl FOLDER EDITS
"use strict";

const fs = require("fs");
const path = require("path");
const express = require("express");
const PouchDB = require("pouchdb");

const [file, folder, edits] = process.argv.slice(2);
const BATCH = 1000; // ten times the default: fewer round trips, to its advantage

function inFolder(name) {
  const place = path.join(folder, name) + path.sep;
  fs.mkdirSync(place, { recursive: true });
  return PouchDB.defaults({ prefix: place });
}

function bytesIn(place) {
  return fs.readdirSync(place, { withFileTypes: true }).reduce((sum, entry) => {
    const inner = path.join(place, entry.name);
    return sum + (entry.isDirectory() ? bytesIn(inner) : fs.statSync(inner).size);
  }, 0);
}

async function main() {
  const records = fs.readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const ServerDB = inFolder("server");
  const ClientDB = inFolder("client");
  const app = express();
  app.use("/", require("express-pouchdb")(ServerDB, {
    mode: "minimumForPouchDB",
    logPath: path.join(folder, "log.txt"),
    configPath: path.join(folder, "config.json"),
    inMemoryConfig: true,
  }));
  const listening = await new Promise((ready) => {
    const server = app.listen(0, "127.0.0.1", () => ready(server));
  });
  const remote = `http://127.0.0.1:${listening.address().port}/records`;

  const stored = new ServerDB("records");
  for (let at = 0; at < records.length; at += BATCH) {
    await stored.bulkDocs(records.slice(at, at + BATCH));
  }

  const client = new ClientDB("records");
  const begun = performance.now();
  let first = null;
  const pull = client.replicate.from(remote, { batch_size: BATCH });
  pull.on("change", () => { first ??= performance.now() - begun; });
  const pulled = await pull;
  const all = performance.now() - begun;
  if (pulled.docs_written !== records.length) throw new Error(`pulled ${pulled.docs_written} of ${records.length}`);

  const again = performance.now();
  await client.replicate.from(remote, { batch_size: BATCH });
  const nothing = performance.now() - again;

  const rows = await client.allDocs({ include_docs: true, limit: Number(edits) });
  await client.bulkDocs(rows.rows.map(({ doc }) => ({ ...doc, note: `${doc.note}.` })));
  const pushing = performance.now();
  const pushed = await client.replicate.to(remote, { batch_size: BATCH });
  const push = performance.now() - pushing;
  if (pushed.docs_written !== Number(edits)) throw new Error(`pushed ${pushed.docs_written} of ${edits}`);

  const figures = {
    first, all, nothing, push,
    client_bytes: bytesIn(path.join(folder, "client")),
    server_bytes: bytesIn(path.join(folder, "server")),
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
