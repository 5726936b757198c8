/** Prints the gzip size of all JavaScript that is shipped, and fails above the limit. */
import { readdir, readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

const LIMIT_KB = 90;
const folder = new URL('../greenllm_kernel/labextension/static/', import.meta.url);

let total = 0;
for (const name of (await readdir(folder)).filter(name => name.endsWith('.js')).sort()) {
  const size = gzipSync(await readFile(new URL(name, folder)), { level: 9 }).length;
  total += size;
  console.log(`${(size / 1024).toFixed(1).padStart(6)} KB  ${name}`);
}
console.log(
  `${(total / 1024).toFixed(1).padStart(6)} KB  all JavaScript, gzip (limit ${LIMIT_KB} KB)`
);
process.exitCode = total > LIMIT_KB * 1024 ? 1 : 0;
