// Answers, for each line of standard input, what Microsoft's parser of KQL says
// of a query. A line is {"query": …, "tables": {"source": "(a:string, …)"}},
// the answer {"errors": [{"message", "start"}], "columns": [{"name", "type"}]}.
// The last argument is the folder of the package @kusto/language-service-next.
"use strict";
const fs = require("fs"), path = require("path"), readline = require("readline"), vm = require("vm");

const context = { console, setTimeout, clearTimeout };
context.global = context.self = context;
vm.createContext(context);
for (const file of ["bridge.min.js", "bridge.meta.min.js", "Kusto.Language.Bridge.min.js"]) {
  vm.runInContext(fs.readFileSync(path.join(process.argv.at(-1), file), "utf8"), context, { filename: file });
}
const kusto = context.Kusto.Language, symbols = kusto.Symbols;

const known = new Map(); // globals by tables: making them costs more than a check

function globals(tables) {
  const key = JSON.stringify(tables);
  if (!known.has(key)) known.set(key, declare(tables));
  return known.get(key);
}

function declare(tables) {
  const members = Object.entries(tables || {}).map(([name, schema]) => symbols.TableSymbol.From(schema).WithName(name));
  const database = new symbols.DatabaseSymbol.ctor("db", members);
  return kusto.GlobalState.Default.WithCluster(new symbols.ClusterSymbol.ctor("c", [database])).WithDatabase(database);
}

function check({ query, tables }) {
  const code = kusto.KustoCode.ParseAndAnalyze(query, globals(tables));
  const found = code.GetDiagnostics(), errors = [];
  for (let i = 0; i < found.Count; i++) {
    const d = found.getItem(i);
    if (d.Severity === "Error") errors.push({ message: d.Message, start: d.Start });
  }
  const columns = [], type = code.ResultType;
  if (type && type.Columns) {
    for (let i = 0; i < type.Columns.Count; i++) {
      const c = type.Columns.getItem(i);
      columns.push({ name: c.Name, type: c.Type.Name });
    }
  }
  return { errors, columns };
}

readline.createInterface({ input: process.stdin }).on("line", line => {
  let answer;
  try {
    answer = check(JSON.parse(line));
  } catch (e) {
    answer = { errors: [{ message: "the parser failed: " + e, start: 0 }], columns: [] };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
