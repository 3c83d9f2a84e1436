// `require` for a page: JsSIP is published as CommonJS, and a bundler would be one more program to have.

const ROOT = "../../browser/node_modules/";
const loaded = new Map();

function read(path) {
  const request = new XMLHttpRequest();
  request.open("GET", path, false);
  request.send();
  if (request.status !== 200) throw new Error(`${path}: ${request.status}`);
  return request.responseText;
}

// A package's own entry for browsers, else its main one.
function entry(name) {
  const about = JSON.parse(read(`${ROOT}${name}/package.json`));
  const main = typeof about.browser === "string" ? about.browser : (about.main ?? "index.js");
  return main.endsWith("/") ? `${main}index.js` : main.endsWith(".js") ? main : `${main}.js`;
}

function resolve(name, from) {
  if (!name.startsWith(".")) return new URL(entry(name), new URL(`${ROOT}${name}/`, location.href)).href;
  const path = new URL(name, from).href;
  return /\.(js|json)$/.test(path) ? path : `${path}.js`;
}

export function require(name, from = location.href) {
  const path = resolve(name, from);
  if (!loaded.has(path)) {
    const module = { exports: {} };
    loaded.set(path, module);
    const text = read(path);
    if (path.endsWith(".json")) module.exports = JSON.parse(text);
    else new Function("module", "exports", "require", "process", text)(
      module, module.exports, (inner) => require(inner, path), { env: {} },
    );
  }
  return loaded.get(path).exports;
}
