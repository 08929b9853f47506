/**
 * The workers of students that answer: each holds some of the models, and goes on from a beginning with them, token by token.
 *
 * Needs llama.js and tokens.js. `serveTalk` is a worker's program: its text, with theirs, is all that a Blob needs, so that it
 * works on a page that was opened as a file. In come
 *   {want: "tokens", buffer, packed, crc}              tokens.json; a part comes as a buffer, or packed: base64 of zlib's
 *   {want: "pstar", buffer, packed, crc}               p*'s answers, which go back to the page
 *   {want: "model", name, sizes, end, buffer, packed, crc}   a model's weights
 *   {want: "read", text}                               what a beginning is in tokens
 *   {want: "go on", key, ids, rows, steps, seed}       with every model that is here; a newer wish ends an older one
 *   {want: "bars", key, name, ids, n, others}          the n likeliest tokens after ids, and the first of others; how these are written
 * Out come
 *   {got: "tokens"}, {got: "pstar", buffer} and {got: "model", name}   it is here
 *   {got: "read", text, ids, outside}
 *   {got: "on", key, name, step, tokens, texts}        a token of each row, null where a row has ended, and what it adds to the text
 *   {got: "done", key, names}
 *   {got: "bars", key, likeliest: [[id, text, probability], ...], others}
 *   {got: "error", of, message}                        of: the part or wish that failed
 */
function serveTalk(makeLlama, makeTokenizer) {
  const llama = makeLlama();
  const models = new Map(); // by name: {model, end}
  let [tokenizer, job] = [null, null];
  const { port1, port2 } = new MessageChannel();
  const pause = () => new Promise((done) => { port1.onmessage = done; port2.postMessage(0); }); // lets newer wishes in

  /** The bytes of a part, as they were recorded. */
  async function whole({ buffer, packed, crc, name }) {
    const bytes = new Uint8Array(packed === undefined ? buffer : await unpacked(packed, name));
    if (llama.checksum(bytes) !== crc) throw new Error(`The file of ${name} is damaged: ${bytes.length} bytes with another checksum than was recorded.`);
    return bytes.buffer;
  }

  async function unpacked(packed, name) {
    try {
      const letters = atob(packed);
      const bytes = new Uint8Array(letters.length);
      for (let i = 0; i < bytes.length; i += 1) bytes[i] = letters.charCodeAt(i);
      return await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
    } catch (error) {
      throw new Error(`The file of ${name} is damaged: ${error.message}.`);
    }
  }

  const does = {
    async tokens(wish) {
      tokenizer = makeTokenizer()(JSON.parse(new TextDecoder().decode(await whole({ ...wish, name: "tokens" }))));
      tokenizer.encode("One day, a little"); // the first time takes long
      return { got: "tokens" };
    },
    pstar: async (wish) => ({ got: "pstar", buffer: await whole({ ...wish, name: "p*'s answers" }) }),
    async model(wish) {
      models.set(wish.name, { model: llama.makeModel(llama.readWeights(await whole(wish)), wish.sizes), end: wish.end });
      return { got: "model", name: wish.name };
    },
    read: ({ text }) => ({ got: "read", text, ...tokenizer.encode(text) }),
    "go on"(wish) {
      job = wish;
      goOn(wish).catch((error) => self.postMessage({ got: "error", of: "go on", message: error.message }));
    },
    bars({ key, name, ids, n, others }) {
      const { model } = models.get(name);
      const { logits } = llama.begin(model, ids, 1);
      const shown = llama.likeliest(logits, 0, model.vocabulary, n);
      const [[drawn], [first, p]] = [others, shown[0]];
      if (!shown.some(([id]) => id === drawn)) shown.push([drawn, p * Math.exp(logits[drawn] - logits[first])]);
      return { got: "bars", key, likeliest: shown.map(([id, share]) => [id, tokenizer.pieces([id])[0], share]), others: tokenizer.pieces(others) };
    },
  };

  self.onmessage = async ({ data }) => {
    try {
      const answer = await does[data.want](data);
      if (answer) self.postMessage(answer);
    } catch (error) {
      self.postMessage({ got: "error", of: data.name ?? data.want, message: error.message });
    }
  };

  /** All models take turns, a token of each row at a time: so each of them has begun soon. */
  async function goOn(wish) {
    const { key, ids, rows, steps, seed } = wish;
    const going = [...models].map(([name, { model, end }]) => ({
      name, end, state: llama.begin(model, ids, rows), texts: Array.from({ length: rows }, () => []), told: Array(rows).fill(""),
    }));
    for (let step = 0; step < steps; step += 1) {
      for (const one of going) {
        self.postMessage({ got: "on", key, name: one.name, step, ...next(one, step, seed) });
        await pause();
        if (job !== wish) return;
      }
    }
    self.postMessage({ got: "done", key, names: going.map(({ name }) => name) });
  }

  /** A token for each row that has not ended: read the last ones, then draw with the row's random number of this step. */
  function next({ end, state, texts, told }, step, seed) {
    const rows = texts.map((_, row) => row);
    const alive = rows.filter((row) => texts[row].at(-1) !== end);
    if (step) llama.step(state, texts.map((text) => text.at(-1)), alive);
    const { vocabulary } = state.model;
    for (const row of alive) texts[row].push(llama.choose(state.logits, step ? row * vocabulary : 0, vocabulary, llama.uniform(seed, row, step)));
    const tokens = rows.map((row) => (alive.includes(row) ? texts[row].at(-1) : null));
    return { tokens, texts: tokens.map((token, row) => (token === null ? "" : added(texts[row], told, row))) };
  }

  /** What the last token adds to a row's text: nothing while a character is only begun. */
  function added(text, told, row) {
    const all = tokenizer.decode(text).replace(/\uFFFD+$/, "");
    const more = all.slice(told[row].length);
    told[row] = all;
    return more;
  }
}

/** As many workers as help, up to two, made from texts. Where workers are forbidden, `failed` hears of it. */
function startTalk(take, failed) {
  let workers = [];
  const owners = new Map(); // which worker holds a model
  try {
    const program = `(${serveTalk})(${[makeLlama, makeTokenizer].join(", ")})`;
    const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
    workers = Array.from({ length: Math.min(2, navigator.hardwareConcurrency || 1) }, () => new Worker(address));
    URL.revokeObjectURL(address);
  } catch (error) {
    failed(new Error(`This browser lets no worker compute here, and nothing else does: ${error.message}. Open the page in another one.`));
  }
  for (const worker of workers) {
    worker.onmessage = ({ data }) => take(data);
    worker.onerror = (event) => failed(new Error(event.message || "a worker could not be started"));
  }
  return {
    count: workers.length,
    tokens: (wish) => workers.forEach((worker) => worker.postMessage({ want: "tokens", ...wish })),
    pstar: (wish) => workers[0].postMessage({ want: "pstar", ...wish }),
    model(wish) {
      const owner = owners.size % workers.length;
      owners.set(wish.name, owners.get(wish.name) ?? owner);
      workers[owners.get(wish.name)].postMessage({ want: "model", ...wish });
    },
    read: (text) => workers[0].postMessage({ want: "read", text }),
    goOn: (wish) => workers.forEach((worker) => worker.postMessage({ want: "go on", ...wish })),
    bars: (wish) => workers[owners.get(wish.name)].postMessage({ want: "bars", ...wish }),
    close: () => workers.forEach((worker) => worker.terminate()),
  };
}
