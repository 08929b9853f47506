/**
 * Small Llama language models, computed on the page: a file's weights, a model, and texts that continue a prompt.
 *
 * PyTorch is the truth, and tests/lm/test_llama_page.py compares the two. All lies inside one function, so that its text
 * serves on the page's thread and in a Worker alike. makeLlama() has
 *
 *   checksum(bytes)                     CRC-32 of a Uint8Array, as zlib has it
 *   readWeights(buffer)                 {name: {shape, values}} of a safetensors file; an Error that says what is wrong with it
 *   makeModel(weights, {layers, heads, kvHeads, theta, eps, length})   a model of texts of up to `length` tokens, 32 if not said
 *   begin(model, ids, rows)             a state of `rows` texts that begin with `ids`; logits [vocabulary] of the next token
 *   step(state, tokens, alive)          reads tokens[row] in the rows `alive` (all, if not said); logits [rows x vocabulary]
 *   uniform(seed, row, position)        a number in [0, 1) from three integers, always the same
 *   choose(logits, offset, size, u)     the token in whose share of softmax(logits) the number u falls
 *   likeliest(logits, offset, size, n)  [[token, probability], ...] of the n likeliest, the likeliest first
 *
 * Logits lie in `state.logits`; each step writes over the last ones. A row that was left out once must stay out.
 *
 * Activations are matrices [units x columns]. A column is a token that is read now: of the prompt, or the newest of a row. They
 * come in fours; the last is repeated to fill up. Weights lie in pairs of rows, so that a product reads on and on.
 */
function makeLlama() {
  const WIDE = 4; // columns that a product computes at once

  // -------------------------------------------------------------- files

  const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
    for (let bit = 0; bit < 8; bit += 1) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
    return byte;
  });

  function checksum(bytes) {
    let sum = -1;
    for (let i = 0; i < bytes.length; i += 1) sum = REMAINDERS[(sum ^ bytes[i]) & 255] ^ (sum >>> 8);
    return ~sum >>> 0;
  }

  function damaged(why) {
    throw new Error(`The file of weights is damaged: ${why}. Get it again.`);
  }

  /** A safetensors file has the length of its header, the header as JSON, and the numbers. */
  function readWeights(buffer) {
    const [size, view] = [buffer.byteLength, new DataView(buffer)];
    if (size < 9 || view.getUint8(8) !== 123) damaged("it is no safetensors file"); // whose header begins with {
    const start = 8 + Number(view.getBigUint64(0, true));
    if (start > size) damaged(`it is cut after ${size} bytes, within its header`);
    let header = {};
    try {
      header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
    } catch {
      damaged("it is no safetensors file: its header is no JSON");
    }
    const names = Object.keys(header).filter((name) => name !== "__metadata__");
    return Object.fromEntries(names.map((name) => [name, readWeight(buffer, start, name, header[name] ?? {})]));
  }

  function readWeight(buffer, start, name, { dtype, shape, data_offsets: ends }) {
    const Words = dtype === "F16" ? Uint16Array : Float32Array;
    if (dtype !== "F16" && dtype !== "F32") damaged(`${name} is stored as ${dtype}, not as F16 or F32`);
    const bytes = Array.isArray(shape) ? shape.reduce((all, one) => all * one, Words.BYTES_PER_ELEMENT) : NaN;
    if (!(ends?.[0] >= 0 && ends[1] - ends[0] === bytes)) damaged(`${name} does not take the bytes that its shape asks for`);
    if (start + ends[1] > buffer.byteLength) damaged(`it is cut after ${buffer.byteLength} bytes, within ${name}`);
    return { shape, values: numbersOf(new Words(buffer.slice(start + ends[0], start + ends[1])), dtype, name) };
  }

  /** The worth of the last bit of a float16, by its sign and exponent; infinity counts as no number. */
  const LAST_BITS = Float64Array.from({ length: 64 }, (_, top) => {
    const exponent = top & 31;
    return exponent === 31 ? NaN : (top > 31 ? -1 : 1) * 2 ** (Math.max(exponent, 1) - 25);
  });

  function numbersOf(words, dtype, name) {
    const values = new Float64Array(words.length);
    let sum = 0;
    for (let i = 0; i < words.length; i += 1) {
      const word = words[i];
      values[i] = dtype === "F16" ? LAST_BITS[word >> 10] * ((word & 1023) + (word & 0x7c00 ? 1024 : 0)) : word;
      sum += values[i];
    }
    if (!Number.isFinite(sum)) damaged(`${name} holds nan or infinity`);
    return values;
  }

  // -------------------------------------------------------------- models

  /** Matrices [outputs x inputs] that have the same inputs, as one: of two rows the first numbers, the second numbers, ... */
  function joined(...parts) {
    const [outputs, inputs] = [parts.reduce((sum, { shape }) => sum + shape[0], 0), parts[0].shape[1]];
    const numbers = new Float64Array(outputs * inputs);
    let row = 0;
    for (const { shape, values } of parts) {
      for (let i = 0; i < values.length; i += inputs, row += 1) {
        for (let k = 0, at = beginning(row, inputs); k < inputs; k += 1, at += 2) numbers[at] = values[i + k];
      }
    }
    return { numbers, outputs, inputs };
  }

  /** Where a row of such a matrix begins; every second number is its own. */
  const beginning = (row, inputs) => (row - (row & 1)) * inputs + (row & 1);

  function makeModel(weights, { layers, heads, kvHeads, theta, eps, length = 32 }) {
    const take = (name, ...shape) => { // null: any size
      const [full, found] = [`model.${name}.weight`, weights[`model.${name}.weight`]];
      if (!found) throw new Error(`The weights lack ${full}: they are of another model.`);
      const fits = found.shape.length === shape.length && shape.every((size, i) => size === null || size === found.shape[i]);
      if (!fits) throw new Error(`${full} is ${found.shape.join(" x ")}, not ${shape.map((size) => size ?? "any").join(" x ")}: it is of another model.`);
      return found;
    };
    const tokens = take("embed_tokens", null, null);
    const [vocabulary, hidden] = tokens.shape;
    const width = hidden / heads; // of a head
    if (vocabulary % 2 || width % 2 || heads % kvHeads) {
      throw new Error(`The model has ${vocabulary} tokens, ${heads} heads of ${width} units and ${kvHeads} of keys: tokens and units must be even, heads a multiple.`);
    }
    const layer = (_, l) => {
      const own = (name, ...shape) => take(`layers.${l}.${name}`, ...shape);
      const projection = (name, count) => own(`self_attn.${name}_proj`, count * width, hidden);
      const gate = own("mlp.gate_proj", null, hidden);
      return {
        first: own("input_layernorm", hidden).values, second: own("post_attention_layernorm", hidden).values,
        attention: joined(projection("q", heads), projection("k", kvHeads), projection("v", kvHeads)),
        out: joined(own("self_attn.o_proj", hidden, hidden)),
        gates: joined(gate, own("mlp.up_proj", gate.shape[0], hidden)), down: joined(own("mlp.down_proj", hidden, gate.shape[0])),
      };
    };
    const half = width / 2;
    const angles = Float64Array.from({ length: length * half }, (_, i) => Math.floor(i / half) * theta ** (-(i % half) / half));
    return {
      vocabulary, hidden, heads, kvHeads, width, eps, length, cos: angles.map(Math.cos), sin: angles.map(Math.sin),
      layers: Array.from({ length: layers }, layer), norm: take("norm", hidden).values, output: joined(tokens),
    };
  }

  // -------------------------------------------------------------- layers: declared one by one in loops, where destructuring takes three times as long

  /** y = W x for n columns; output o of column c is y[places[c] + o * stride]. Two outputs of four columns at once. */
  function product({ numbers, outputs, inputs }, x, n, y, places, stride) {
    for (let o = 0; o < outputs; o += 2) {
      const end = (o + 2) * inputs;
      for (let c = 0; c < n; c += WIDE) {
        let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
        for (let k = o * inputs, i = c; k < end; k += 2, i += n) {
          const a = numbers[k], b = numbers[k + 1], x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
          a0 += a * x0; b0 += b * x0;
          a1 += a * x1; b1 += b * x1;
          a2 += a * x2; b2 += b * x2;
          a3 += a * x3; b3 += b * x3;
        }
        const at = o * stride, p0 = places[c] + at, p1 = places[c + 1] + at, p2 = places[c + 2] + at, p3 = places[c + 3] + at;
        y[p0] = a0; y[p0 + stride] = b0;
        y[p1] = a1; y[p1 + stride] = b1;
        y[p2] = a2; y[p2 + stride] = b2;
        y[p3] = a3; y[p3 + stride] = b3;
      }
    }
  }

  /** x += y */
  function add(x, y, size) {
    for (let i = 0; i < size; i += 1) x[i] += y[i];
  }

  /** RMSNorm of the columns `from` of x, which has n; y has m. */
  function normalise({ hidden, eps }, weight, x, n, y, from, m) {
    for (let c = 0; c < m; c += 1) {
      let sum = 0;
      for (let k = 0, i = from[c]; k < hidden; k += 1, i += n) sum += x[i] * x[i];
      const scale = 1 / Math.sqrt(sum / hidden + eps);
      for (let k = 0, i = from[c]; k < hidden; k += 1, i += n) y[k * m + c] = x[i] * scale * weight[k];
    }
  }

  /** SiLU of the first half of x, times the second half. */
  function gate(x, size) {
    for (let i = 0; i < size; i += 1) x[i] = (x[i] / (1 + Math.exp(-x[i]))) * x[size + i];
  }

  /** A head's part of a column of x, turned by the token's position, unit i with unit i + half; y[at ...] is what it becomes. */
  function turn({ cos, sin, width }, x, from, n, position, y, at) {
    const half = width / 2;
    for (let i = 0; i < half; i += 1) {
      const a = x[from + i * n], b = x[from + (i + half) * n], c = cos[position * half + i], s = sin[position * half + i];
      y[at + i] = a * c - b * s;
      y[at + half + i] = b * c + a * s;
    }
  }

  /** Where a text's token lies in the memory: the prompt's tokens first, then each row's own. */
  const slot = ({ prompt, model }, row, position) => (position < prompt ? position : position + row * (model.length - prompt));

  /** x has queries, keys and values. Keys and values are remembered; each query reads those of its row so far. */
  function attend(state, { keys, values }, x, n, y) {
    const { heads, kvHeads, width } = state.model, size = kvHeads * width;
    for (let c = 0; c < n; c += 1) {
      const position = state.positions[c], at = slot(state, state.rows[c], position) * size;
      for (let h = 0; h < kvHeads; h += 1) turn(state.model, x, (heads + h) * width * n + c, n, position, keys, at + h * width);
      for (let i = 0; i < size; i += 1) values[at + i] = x[(heads * width + size + i) * n + c];
      for (let h = 0; h < heads; h += 1) {
        turn(state.model, x, h * width * n + c, n, position, state.query, 0);
        look(state, keys, values, size, Math.floor((h * kvHeads) / heads) * width, c);
        for (let i = 0; i < width; i += 1) y[(h * width + i) * n + c] = state.found[i];
      }
    }
  }

  /** What a query finds: the values of its row so far, weighed by softmax(query . key / sqrt(width)). */
  function look(state, keys, values, size, head, c) {
    const { query, found, shares, model: { width } } = state, row = state.rows[c], last = state.positions[c];
    let top = -Infinity, sum = 0;
    for (let t = 0; t <= last; t += 1) {
      const at = slot(state, row, t) * size + head;
      let dot = 0;
      for (let i = 0; i < width; i += 1) dot += query[i] * keys[at + i];
      shares[t] = dot / Math.sqrt(width);
      if (shares[t] > top) top = shares[t];
    }
    for (let t = 0; t <= last; t += 1) sum += shares[t] = Math.exp(shares[t] - top);
    found.fill(0);
    for (let t = 0; t <= last; t += 1) {
      const at = slot(state, row, t) * size + head, share = shares[t] / sum;
      for (let i = 0; i < width; i += 1) found[i] += share * values[at + i];
    }
  }

  /** Read n columns; logits of the columns `from`, m of them, go to their rows. */
  function readColumns(state, n, from, m) {
    const { model, memory, columns, x, normed, read, wide } = state, size = model.hidden * n;
    for (let l = 0; l < memory.length; l += 1) {
      const { first, attention, out, second, gates, down } = model.layers[l];
      normalise(model, first, x, n, normed, columns, n);
      product(attention, normed, n, wide, columns, n);
      attend(state, memory[l], wide, n, read);
      product(out, read, n, normed, columns, n);
      add(x, normed, size);
      normalise(model, second, x, n, normed, columns, n);
      product(gates, normed, n, wide, columns, n);
      gate(wide, down.inputs * n);
      product(down, wide, n, normed, columns, n);
      add(x, normed, size);
    }
    normalise(model, model.norm, x, n, normed, from, m);
    product(model.output, normed, m, state.room, state.places, 1);
  }

  // -------------------------------------------------------------- texts

  const filledUp = (columns) => Math.ceil(columns / WIDE) * WIDE;

  /** Make column c, of n, a token of a row. */
  function put(state, c, n, token, row, position) {
    const { vocabulary, hidden, output } = state.model;
    if (!(Number.isInteger(token) && token >= 0 && token < vocabulary)) throw new Error(`Token ${token} is none of the model's: choose from 0 to ${vocabulary - 1}.`);
    state.rows[c] = row;
    state.positions[c] = position;
    state.places[c] = row * vocabulary;
    for (let k = 0, at = beginning(token, hidden); k < hidden; k += 1, at += 2) state.x[k * n + c] = output.numbers[at];
  }

  function begin(model, ids, rows) {
    const { hidden, kvHeads, width, vocabulary, length } = model;
    if (!(ids.length >= 1 && ids.length <= length)) throw new Error(`The prompt has ${ids.length} tokens: give 1 to ${length}.`);
    const [n, most] = [filledUp(ids.length), filledUp(Math.max(ids.length, rows))];
    const [numbers, integers] = [(size) => new Float64Array(size), () => new Int32Array(most)];
    const slots = (ids.length + rows * (length - ids.length)) * kvHeads * width;
    const state = {
      model, prompt: ids.length, position: ids.length, every: [...Array(rows).keys()], columns: integers().map((_, c) => c),
      rows: integers(), positions: integers(), places: integers(), memory: model.layers.map(() => ({ keys: numbers(slots), values: numbers(slots) })),
      x: numbers(hidden * most), normed: numbers(hidden * most), read: numbers(hidden * most), query: numbers(width), found: numbers(width),
      wide: numbers(Math.max(...model.layers.map(({ attention, gates }) => Math.max(attention.outputs, gates.outputs))) * most),
      shares: numbers(length), room: numbers(rows * vocabulary), logits: null,
    };
    const last = ids.length - 1;
    for (let c = 0; c < n; c += 1) put(state, c, n, ids[Math.min(c, last)], 0, Math.min(c, last));
    readColumns(state, n, new Int32Array(WIDE).fill(last), WIDE);
    state.logits = state.room.subarray(0, vocabulary);
    return state;
  }

  function step(state, tokens, alive = state.every) {
    const { position, model } = state;
    if (position >= model.length) throw new Error(`The texts have ${position} tokens, and there is no room for more.`);
    const n = filledUp(alive.length);
    for (let c = 0; c < n; c += 1) {
      const row = alive[Math.min(c, alive.length - 1)];
      put(state, c, n, tokens[row], row, position);
    }
    if (n) readColumns(state, n, state.columns, n);
    state.position += 1;
    state.logits = state.room;
  }

  // -------------------------------------------------------------- chance

  /** A hash of 32 bits: one bit more or less changes about half of the others (lowbias32, by C. Wellons). */
  function mixed(x) {
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    return x ^ (x >>> 16);
  }

  const uniform = (seed, row, position) => (mixed(mixed(mixed(seed + 0x9e3779b9) + row) + position) >>> 0) / 2 ** 32;

  function highest(logits, offset, size) {
    let top = -Infinity;
    for (let i = offset; i < offset + size; i += 1) if (logits[i] > top) top = logits[i];
    return top;
  }

  let upto = new Float64Array(0); // of `choose`, kept

  function choose(logits, offset, size, u) {
    if (upto.length < size) upto = new Float64Array(size);
    const top = highest(logits, offset, size);
    let sum = 0, token = 0;
    for (let i = 0; i < size; i += 1) upto[i] = sum += Math.exp(logits[offset + i] - top);
    while (token < size - 1 && !(upto[token] > u * sum)) token += 1;
    return token;
  }

  /** Of tokens that are equally likely, the first comes first. */
  function likeliest(logits, offset, size, n) {
    const [top, found] = [highest(logits, offset, size), []];
    let sum = 0;
    for (let i = 0; i < size; i += 1) {
      const value = logits[offset + i];
      sum += Math.exp(value - top);
      let k = found.length;
      while (k > 0 && logits[offset + found[k - 1]] < value) k -= 1;
      if (k < n) found.splice(k, 0, i);
      if (found.length > n) found.pop();
    }
    return found.map((token) => [token, Math.exp(logits[offset + token] - top) / sum]);
  }

  return { checksum, readWeights, makeModel, begin, step, uniform, choose, likeliest };
}
