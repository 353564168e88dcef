// compare.cjs NPM-FOLDER NAME...: compiles each NAME.ksy to JavaScript, reads each vector's bytes in
// NAME.json with it, and compares each value with what stands in the vector. Prints a line for each:
//   {"values": compared, "forms": read, "errors": the first few}
const fs = require('fs');
const path = require('path');

const [folder, ...names] = process.argv.slice(2);
const from = (name) => require(require.resolve(name, {paths: [path.resolve(folder)]}));
const compiler = from('kaitai-struct-compiler');
const KaitaiStream = from('kaitai-struct/KaitaiStream');
const yaml = from('yaml');

// Names as the .ksy and then the compiler write them: HashType, hash_type, hashType.
const snake = (name) => {
  const id = name.replace(/(?<=[^A-Z_])(?=[A-Z])/g, '_').toLowerCase().replace(/\./g, '_');
  return /^[a-z]/.test(id) ? id : 'n' + id;
};
const upper = (word) => word.slice(0, 1).toUpperCase() + word.slice(1);
const camel = (name) => snake(name).split('_').map((word, i) => i ? upper(word) : word).join('');
const pascal = (name) => upper(camel(name));

async function classOf(text, name) {
  const files = await compiler.compile('javascript', yaml.parse(text), null, false);
  // Modules that ask for the runtime, in this context, so that their types are ours.
  const module = {exports: {}};
  for (const code of Object.values(files)) {
    new Function('exports', 'module', 'require', code)(module.exports, module, from);
  }
  return module.exports[name] || module.exports;
}

function valueAt(object, name) {
  for (const step of name.split('.')) {
    const [, word, index] = /^(\w+)(?:\[(\d+)\])?$/.exec(step);
    if (!(camel(word) in object)) throw new Error(`there is no ${camel(word)}`);
    object = object[camel(word)];
    if (index !== undefined) object = object[Number(index)];
    if (object === undefined) throw new Error('there is none');
  }
  return object;
}

// Numbers of more than 53 bits are rounded by the runtime, and here in the same way.
function same(got, expected) {
  if (expected.startsWith('x')) return got instanceof Uint8Array && Buffer.from(got).toString('hex') === expected.slice(1);
  if (typeof got === 'boolean') got = Number(got);
  if (typeof got !== 'number') return false;
  const wanted = BigInt(expected);
  if (wanted <= BigInt(Number.MAX_SAFE_INTEGER)) return Number.isSafeInteger(got) && BigInt(got) === wanted;
  return Math.abs(got - Number(wanted)) <= Number(wanted) * 2 ** -52;
}

async function compare(name) {
  const result = {values: 0, forms: 0, errors: []};
  const vectors = JSON.parse(fs.readFileSync(name + '.json', 'utf8'));
  const top = await classOf(fs.readFileSync(name + '.ksy', 'utf8'), pascal(vectors.layout));
  for (const form of vectors.forms) {
    const Type = top[pascal(form.name)];
    if (typeof Type !== 'function') {
      result.errors.push(`${form.name}: no such type`);
      continue;
    }
    result.forms++;
    for (const vector of form.vectors) {
      const bytes = new Uint8Array(Buffer.from(vector.hex, 'hex'));
      const read = new Type(new KaitaiStream(bytes.buffer), null, null);
      for (const [field, expected] of Object.entries(vector.fields || {})) {
        let got;
        try {
          got = valueAt(read, field);
        } catch (error) {
          got = error;
        }
        result.values++;
        if (!same(got, expected) && result.errors.length < 10) {
          result.errors.push(`${form.name}.${field}: ${got}, not ${expected}, of ${vector.hex.slice(0, 256)}`);
        }
      }
    }
  }
  return result;
}

async function main() {
  for (const name of names) {
    const failed = (error) => ({values: 0, forms: 0, errors: [String((error && error.message) || error)]});
    console.log(JSON.stringify(await compare(name).catch(failed)));
  }
}

main();
