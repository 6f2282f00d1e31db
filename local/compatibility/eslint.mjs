// ESLint rules: the page's scripts and styles use nothing that one of the supported browsers lacks.

import css from "@eslint/css";

import { missingConstructors, missingMembers, presentNames } from "./missing.mjs";
import { missingParts } from "./styles.mjs";

const MISSING = missingMembers();
const GLOBALS = new Set(MISSING.filter(([owner]) => owner === "globalThis").map(([, name]) => name));
const STATIC = new Set(MISSING.map((member) => member.join(".")));
const CONSTRUCTORS = new Set(missingConstructors());

// The names that are present in no class at all: the linter does not know of which class an object is.
const PRESENT = presentNames();
const INSTANCES = MISSING.filter(([owner]) => owner.endsWith(".prototype")).map(([, name]) => name);
const NAMES = new Set(INSTANCES.filter((name) => !PRESENT.has(name)));

const MESSAGES = { missing: "One of the browsers in package.json lacks {{name}}." };

/** Option `own`: names of the page's own members. A name that the file tests too, as in `if (device.share)`, is right. */
const calls = {
  meta: {
    type: "problem",
    messages: MESSAGES,
    schema: [{ type: "object", properties: { own: { type: "array" } }, additionalProperties: false }],
  },
  create(context) {
    const own = new Set(context.options[0]?.own);
    const tested = new Set();
    const used = [];
    const add = (node, name) => (isTest(node) ? tested.add(name) : used.push([node, name]));

    return {
      MemberExpression(node) {
        const { computed, object, property } = node;
        const path = `${object.name}.${property.name}`;
        if (computed) return;
        if (STATIC.has(path)) add(node, path);
        else if (NAMES.has(property.name) && !own.has(property.name)) add(node, property.name);
      },
      NewExpression(node) {
        if (CONSTRUCTORS.has(node.callee.name)) add(node, `new ${node.callee.name}`);
      },
      "BinaryExpression[operator='in']"({ left }) {
        tested.add(left.value);
      },
      "Program:exit"() {
        const { through, variables } = context.sourceCode.scopeManager.globalScope;
        const globals = variables.filter(({ defs }) => defs.length === 0);
        for (const { identifier } of [...through, ...globals.flatMap(({ references }) => references)]) {
          if (GLOBALS.has(identifier.name)) add(identifier, identifier.name);
        }
        for (const [node, name] of used) {
          if (!tested.has(name)) context.report({ node, messageId: "missing", data: { name } });
        }
      },
    };
  },
};

/** Whether an expression only finds out if something exists: `if (x)`, `x ? y : z`, `!x`, `typeof x`, `x?.()`. */
function isTest(node) {
  const { parent } = node;
  switch (parent.type) {
    case "IfStatement":
    case "ConditionalExpression":
      return parent.test === node;
    case "LogicalExpression":
      return parent.left === node;
    case "UnaryExpression":
      return true;
    case "CallExpression":
    case "MemberExpression":
      return parent.optional;
    default:
      return false;
  }
}

/**
 * Option `refinements`: what may be missing. A declaration is right after one of the same property that is understood
 * by all browsers, and so is all that depends on `@supports`.
 */
const styles = {
  meta: {
    type: "problem",
    messages: MESSAGES,
    schema: [{ type: "object", properties: { refinements: { type: "array" } }, additionalProperties: false }],
  },
  create(context) {
    const refinements = new Set(context.options[0]?.refinements);
    const { sourceCode } = context;

    function siblings(node) {
      const { children = [] } = sourceCode.getParent(node);
      return children.filter(({ type }) => type === "Declaration");
    }

    function hasReplacement(node) {
      const others = siblings(node);
      const earlier = others.slice(0, others.indexOf(node));
      return earlier.some((other) => other.property === node.property && missingParts(other, others).length === 0);
    }

    function dependsOnSupport(node) {
      for (let parent = node; parent; parent = sourceCode.getParent(parent)) {
        if (parent.type === "Atrule" && parent.name === "supports") return true;
      }
      return false;
    }

    function check(node) {
      const names = missingParts(node, siblings(node)).filter((name) => !refinements.has(name));
      if (names.length === 0 || dependsOnSupport(node) || hasReplacement(node)) return;
      context.report({ loc: node.loc, messageId: "missing", data: { name: names.join(", ") } });
    }

    const types = ["Declaration", "PseudoClassSelector", "PseudoElementSelector", "Atrule", "Feature", "FeatureRange"];
    return Object.fromEntries(types.map((type) => [type, check]));
  },
};

export const browsers = { rules: { calls, styles } };
export { css };
