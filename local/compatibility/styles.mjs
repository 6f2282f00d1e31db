// The parts of a style sheet that one of the supported browsers lacks.

import { DATA, isMissing } from "./missing.mjs";

const { properties, selectors, types, "at-rules": rules } = DATA.css;

// The data has a function of values among those of its kind.
const FUNCTIONS = { ...types, ...types.color, ...types.gradient, ...types["basic-shape"], ...types["transform-function"] };

/**
 * What is missing of one node of @eslint/css-tree, children of a declaration's value included: "gap", "dvh", ":has()".
 * In a browser that lacks it, a whole declaration, rule or at-rule has no effect.
 *
 * @param {object} node
 * @param {object[]} [siblings] the declarations of the same rule
 * @returns {string[]}
 */
export function missingParts(node, siblings = []) {
  switch (node.type) {
    case "Declaration":
      return ofDeclaration(node, siblings);
    case "PseudoClassSelector":
    case "PseudoElementSelector":
      return [...test(`:${node.name}`, selectors[node.name]), ...ofSelectorList(node)];
    case "Atrule":
      return test(`@${node.name}`, rules[node.name]);
    case "Feature":
      return node.kind === "media" ? test(`(${node.name})`, rules.media[node.name]) : [];
    case "FeatureRange":
      return node.kind === "media" ? test("range of a media feature", rules.media.range_syntax) : [];
    default:
      return [];
  }
}

function ofDeclaration({ property, value }, siblings) {
  if (value.type === "Raw") return ofText(value.value);
  const features = properties[property];
  const found = test(property, features);
  const isFlex = siblings.some((other) => other.property === "display" && /flex/.test(plain(other.value)));
  if (isFlex) found.push(...test(`${property} of a flex container`, features?.flex_context));
  for (const part of parts(value)) {
    switch (part.type) {
      case "Identifier":
        if (property === "font-family") break; // the names of fonts
        found.push(...test(`${property}: ${part.name}`, features?.[part.name]));
        break;
      case "Function":
        found.push(...test(`${part.name}()`, features?.[`${part.name}_function`] ?? FUNCTIONS[part.name]));
        break;
      case "Dimension":
        found.push(...test(part.unit, unit(part.unit)));
        break;
      case "Operator":
        if (part.value === "/" && property === "content") found.push(...test("content with /", features.alt_text));
    }
  }
  return found;
}

function ofSelectorList({ name, children }) {
  const [list] = children?.toArray?.() ?? children ?? [];
  const length = list?.children?.size ?? list?.children?.length ?? 0;
  return name === "not" && length > 1 ? test(":not() with a list", selectors.not.selector_list) : [];
}

function unit(name) {
  const { length } = types;
  if (name.startsWith("cq")) return length.container_query_length_units;
  const sizes = { d: "dynamic", l: "large", s: "small" };
  if (/^[dls]v(h|w|i|b|min|max)$/.test(name)) return length[`viewport_percentage_units_${sizes[name[0]]}`];
  return length[name];
}

/** The units in the value of a custom property, which is not parsed. */
function ofText(text) {
  return [...text.matchAll(/[\d.]([a-z]+)\b/g)].flatMap(([, name]) => test(name, unit(name)));
}

/** All nodes of a value, those in functions too. */
function* parts(node) {
  for (const child of node.children ?? []) {
    yield child;
    yield* parts(child);
  }
}

function plain(value) {
  return [...parts(value)].map(({ name = "" }) => name).join(" ");
}

function test(label, feature) {
  return isMissing(feature) ? [label] : [];
}
