// Writes dist/: the runtime in the form that the pages of `nightlite try` inline. `make web` runs it after npm ci.
//   litert.js       a classic script that defines LiteRt: the loader and the library
//   litert.wasm.gz  the runtime itself, for browsers with and without relaxed SIMD
//   LICENSE         of both
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {gzipSync} from 'node:zlib';

const here = path => new URL(path, import.meta.url);
const read = path => readFileSync(here(path), 'utf8');
const core = 'node_modules/@litertjs/core/';
const {version, license} = JSON.parse(read(`${core}package.json`));
if (license !== 'Apache-2.0') throw new Error(`expected a runtime under Apache-2.0. Received: ${license}`);

/** Return a text without what a pattern matches, which must be there once. */
function without(text, pattern) {
  const found = text.match(new RegExp(pattern, 'gm')) ?? [];
  if (found.length !== 1) throw new Error(`expected ${pattern} once in ${core}. Received: ${found.length} times`);
  return text.replace(pattern, '');
}

const library = [/^import \{ createWasmLib \} from "@litertjs\/wasm-utils";$/m, /^export \{[^}]*\};$/m, /^\/\/# sourceMappingURL=.*$/m]
  .reduce(without, read(`${core}dist/index.js`));
// Apache-2.0 asks that a changed file says so.
const script = `// LiteRT.js ${version}, Google LLC, Apache-2.0. Changed: two files in one, started with the bytes of the runtime.
const LiteRt = (() => {
${read(`${core}wasm/litert_wasm_compat_internal.js`)}
let wasmBinary;
const createWasmLib = async Library => new Library(await ModuleFactory({wasmBinary}));
${library}
return {Tensor, loadAndCompile, start: bytes => { wasmBinary = bytes; return loadLiteRt('litert.js'); }};
})();
`;
mkdirSync(here('dist'), {recursive: true});
writeFileSync(here('dist/litert.js'), script);
writeFileSync(here('dist/litert.wasm.gz'), gzipSync(readFileSync(here(`${core}wasm/litert_wasm_compat_internal.wasm`)), {level: 9}));
writeFileSync(here('dist/LICENSE'), readFileSync(here('../LICENSE')));
