// Makes a new browser like an older one, for the tests: it has only what all browsers in package.json have.
//
// node older.mjs calls: prints a script that removes the other calls from a page, before the page's own scripts run.
// node older.mjs styles: reads a style sheet, and prints what remains of it without the other styles.

import { readFileSync } from "node:fs";
import process from "node:process";

import { generate, parse, walk } from "@eslint/css-tree";

import { missingConstructors, missingMembers } from "./missing.mjs";
import { missingParts } from "./styles.mjs";

const NEEDED = ["BigInt64Array", "BigUint64Array"]; // by Playwright, for values that it hands to a page or takes from it

/**
 * Runs in the page, and leaves the names of what it has removed in `removed`.
 *
 * @param {import("./missing.mjs").Member[]} members
 * @param {string[]} constructors
 */
function remove(members, constructors) {
  const { deleteProperty, getPrototypeOf, has } = Reflect;
  const find = (path) => path.split(".").reduce((object, name) => object?.[name], globalThis);
  const removed = [];

  // Its entries are removed with the class.
  const getEntriesByType = performance.getEntriesByType.bind(performance);
  performance.getEntriesByType = (type) =>
    type === "navigation" && !has(globalThis, "PerformanceNavigationTiming") ? [] : getEntriesByType(type);

  globalThis.TypedArray = getPrototypeOf(Int8Array); // it has no name of its own
  for (const [owner, name] of members) {
    const place = find(owner);
    if (place && has(place, name) && deleteProperty(place, name)) removed.push(`${owner}.${name}`);
  }
  deleteProperty(globalThis, "TypedArray");

  for (const name of constructors.filter(find)) {
    const refuse = () => {
      throw new TypeError("Illegal constructor");
    };
    globalThis[name] = new Proxy(find(name), { construct: refuse });
    removed.push(`new ${name}`);
  }
  globalThis.removed = removed;
}

/** @param {string} text of a style sheet */
function withoutMissing(text) {
  const sheet = parse(text);
  walk(sheet, {
    visit: "Atrule",
    leave(rule, item, list) {
      if (rule.name === "supports") {
        if (holds(rule.prelude)) list.insertList(rule.block.children, item);
        list.remove(item);
      } else if (lacks(rule) || (rule.prelude && lacksPart(rule.prelude))) {
        list.remove(item);
      }
    },
  });
  walk(sheet, {
    visit: "Rule",
    enter(rule, item, list) {
      if (lacksPart(rule.prelude)) return list.remove(item);
      const declarations = rule.block.children.toArray();
      rule.block.children = rule.block.children.filter((declaration) => missingParts(declaration, declarations).length === 0);
    },
  });
  return generate(sheet);
}

/** Whether the condition of `@supports` holds: `(inset: 0)`, or `not (inset: 0)`. */
function holds(prelude) {
  const declarations = [];
  walk(prelude, (node) => node.type === "Declaration" && declarations.push(node));
  if (declarations.length !== 1) throw new Error(`The condition is not a single one: ${generate(prelude)}`);
  return lacks(declarations[0]) === generate(prelude).startsWith("not");
}

function lacks(node) {
  return missingParts(node).length > 0;
}

function lacksPart(tree) {
  let found = false;
  walk(tree, (node) => (found ||= lacks(node)));
  return found;
}

if (process.argv[2] === "styles") {
  process.stdout.write(withoutMissing(readFileSync(0, "utf-8")));
} else {
  const members = missingMembers().filter(([, name]) => !NEEDED.includes(name));
  process.stdout.write(`(${remove})(${JSON.stringify(members)}, ${JSON.stringify(missingConstructors())});\n`);
}
