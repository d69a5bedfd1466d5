// Prints, for each Bicep file that is named on a line of standard input, what a
// grammar that is not ours reads in it: {"errors": ["line:column"], "declared":
// ["resource account", …]}. The last argument is the folder of npm's packages.
"use strict";
const fs = require("fs"), path = require("path");
const packages = process.argv.at(-1);
const { Parser, Language } = require(path.join(packages, "web-tree-sitter", "tree-sitter.cjs"));

const kinds = {
  parameter_declaration: "param", variable_declaration: "var", output_declaration: "output",
  resource_declaration: "resource", module_declaration: "module", metadata_declaration: "metadata",
};

function read(tree) {
  const errors = [], declared = [];
  const walk = node => {
    if (node.type === "ERROR" || node.isMissing) errors.push(`${node.startPosition.row + 1}:${node.startPosition.column + 1}`);
    for (const child of node.children) walk(child);
  };
  walk(tree.rootNode);
  for (const node of tree.rootNode.children) {
    if (kinds[node.type]) declared.push(kinds[node.type] + " " + node.namedChildren.find(n => n.type === "identifier").text);
  }
  return { errors, declared };
}

(async () => {
  await Parser.init();
  const parser = new Parser();
  parser.setLanguage(await Language.load(path.join(packages, "tree-sitter-bicep", "tree-sitter-bicep.wasm")));
  for (const file of fs.readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    console.log(JSON.stringify(read(parser.parse(fs.readFileSync(file, "utf8")))));
  }
})();
