// What one of the supported browsers lacks, out of @mdn/browser-compat-data.

import { createRequire } from "node:module";

import { VERSIONS } from "./browsers.mjs";

/**
 * @typedef {{ version_added: string | false, version_removed?: string, prefix?: string, alternative_name?: string,
 *   flags?: object[] }} Support
 * @typedef {{ __compat?: { support: Record<string, Support | Support[]> } } & Record<string, unknown>} Feature
 * @typedef {readonly [owner: string, name: string]} Member of a class or an object, such as ["Array.prototype", "at"]
 */

export const DATA = createRequire(import.meta.url)("@mdn/browser-compat-data");

/** The classes and objects of the language and of browsers. */
const BUILTINS = entries(DATA.javascript.builtins).concat(
  entries(DATA.javascript.builtins.Intl).map(([name, feature]) => [`Intl.${name}`, feature]),
);
const OWNERS = [...BUILTINS, ...entries(DATA.api)];

/**
 * Whether one of the supported browsers lacks a feature, or has it only by another name or behind a setting.
 *
 * @param {Feature | undefined} feature if it is not in the data, no browser lacks it
 */
export function isMissing(feature) {
  const support = feature?.__compat?.support;
  return support !== undefined && [...VERSIONS].some(([browser, version]) => !has(support[browser] ?? [], version));
}

/**
 * The missing members of all classes and objects. A missing class is a member of "globalThis".
 *
 * @returns {Member[]}
 */
export function missingMembers() {
  return OWNERS.flatMap(([owner, features]) => {
    if (isMissing(features)) return [split(owner)];
    return members(owner, features).flatMap(([member, feature]) => (isMissing(feature) ? [member] : []));
  });
}

/** The names of members that all supported browsers have, in one class or another. */
export function presentNames() {
  const present = OWNERS.filter(([, features]) => !isMissing(features)).flatMap(([owner, features]) => members(owner, features));
  return new Set(present.filter(([, feature]) => !isMissing(feature)).map(([[, name]]) => name));
}

/** The classes that all supported browsers have, and that one of them cannot construct. */
export function missingConstructors() {
  return OWNERS.filter(([owner, features]) => !isMissing(features) && isMissing(features[split(owner)[1]])).map(
    ([owner]) => owner,
  );
}

/**
 * The members of a class or object. The data also has events, parameters and details of behaviour, whose names have an
 * underscore. It marks what is static in a class of browsers, and not in a class of the language: there it may be both.
 *
 * @param {string} owner
 * @param {Feature} features
 * @returns {[Member, Feature][]}
 */
function members(owner, features) {
  return entries(features).flatMap(([key, feature]) => {
    const name = key.replace(/_static$/, "");
    if (!/^([A-Za-z][A-Za-z\d]*|[A-Z][A-Z\d_]+)$/.test(name) || name === owner) return [];
    const isStatic = key !== name;
    const isBuiltin = owner in DATA.javascript.builtins || owner.startsWith("Intl.");
    if (owner === "Window") return [[["globalThis", name], feature]];
    return [
      ...(isStatic || isBuiltin ? [[[owner, name], feature]] : []),
      ...(isStatic ? [] : [[[`${owner}.prototype`, name], feature]]),
    ];
  });
}

/**
 * @param {object} features
 * @returns {[string, Feature][]}
 */
function entries(features) {
  return Object.entries(features).filter(([name]) => name !== "__compat");
}

/** @param {string} path such as "Intl.Segmenter" */
function split(path) {
  const dot = path.lastIndexOf(".");
  return dot < 0 ? ["globalThis", path] : [path.slice(0, dot), path.slice(dot + 1)];
}

/**
 * @param {Support | Support[]} support
 * @param {string} version
 */
function has(support, version) {
  return [support].flat().some(({ version_added: added, version_removed: removed, prefix, alternative_name, flags }) => {
    if (prefix || alternative_name || flags || !added || added === "preview") return false;
    return !isOlder(version, added.replace("≤", "")) && (!removed || isOlder(version, removed));
  });
}

/**
 * @param {string} version such as "14.1"
 * @param {string} other
 */
function isOlder(version, other) {
  const [[major, minor = 0], [otherMajor, otherMinor = 0]] = [version, other].map((text) => text.split(".").map(Number));
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}
