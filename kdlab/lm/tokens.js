/**
 * SmolLM2's tokenizer on the page: cuts a text as the real one does, and puts kept tokens in the place of others.
 *
 * All lies inside one function, so that its text serves on the page's thread and in a Worker alike. The data is
 * tokens.json, which scripts/record_tokenizer.py writes and describes; tests/lm/test_tokens_page.py compares with the library
 * tokenizers. Ids are the model's own, places among the kept tokens, unless said to be the tokenizer's: there special tokens
 * come first, then bytes, then merges. makeTokenizer()(data) has
 *
 *   encode(text)   {ids, outside: [{text, instead, lost}]}   outside are the real tokenizer's pieces that are not kept, word
 *                  by word: `instead` are the texts of what took a piece's place, `lost` says that some of it is gone. So is
 *                  a special token that was typed, whole, and a byte that even the real tokenizer has no token for
 *   decode(ids)    their text, without special tokens; what is no whole character becomes U+FFFD
 *   pieces(ids)    the text of each by itself, special ones too
 */
function makeTokenizer() {
  /**
   * GPT-2's pattern, as if each digit had been cut out before: white space belongs to the word that follows, and to no digit.
   * It is what Unicode says, as in the tokenizer: JavaScript's \s has U+FEFF as well, and not U+0085.
   */
  const SPACE = String.raw`\p{White_Space}`;
  const WORDS = new RegExp(String.raw`'(?:[stmd]|re|ve|ll)| ?\p{L}+|\p{N}| ?[^${SPACE}\p{L}\p{N}]+|${SPACE}+(?![^${SPACE}\p{N}])|${SPACE}+`, "gu");
  const [toBytes, toText] = [new TextEncoder(), new TextDecoder("utf-8", { ignoreBOM: true })]; // a BOM is text like any other
  const shown = (bytes) => toText.decode(Uint8Array.from(bytes));

  /** Numbers of two bytes each, low byte first, from base64. */
  function unpacked(text) {
    const bytes = atob(text);
    const numbers = new Uint16Array(bytes.length / 2);
    for (let i = 0; i < numbers.length; i += 1) numbers[i] = bytes.charCodeAt(2 * i) + 256 * bytes.charCodeAt(2 * i + 1);
    return numbers;
  }

  return ({ special, bytes, merges, kept }) => {
    const parts = unpacked(merges); // the tokenizer's ids of the two that a merge joins, merge by merge
    const names = unpacked(kept); // the tokenizer's id of each token
    const [first, joined] = [special.length, special.length + bytes.length]; // the tokenizer's ids of the first byte and merge
    const own = new Int32Array(joined + parts.length / 2).fill(-1);
    names.forEach((name, id) => { own[name] = id; });
    const letters = new Int32Array(256).fill(-1); // the tokenizer's id of each byte; it has none for some
    bytes.forEach((byte, i) => { letters[byte] = first + i; });
    const typed = new RegExp(`(${special.map((text) => text.replaceAll("|", "\\|")).join("|")})`, "u");
    const [left, right] = [(name) => parts[2 * (name - joined)], (name) => parts[2 * (name - joined) + 1]];

    const hash = (one, other) => (Math.imul(one, 40503) + other) & 65535; // 40503 is 65536 over the golden ratio: it spreads well
    const [last, before] = [new Int32Array(65536), new Int32Array(own.length)]; // of a hash, and before a merge: 0 is none
    for (let name = joined; name < own.length; name += 1) {
      const place = hash(left(name), right(name));
      before[name] = last[place];
      last[place] = name;
    }

    /** What two become, all by the tokenizer's ids; Infinity where no merge joins them. */
    function joint(one, other) {
      let name = last[hash(one, other)];
      while (name && (left(name) !== one || right(name) !== other)) name = before[name];
      return name || Infinity;
    }

    const bytesOf = (name) => (name < joined ? [bytes[name - first]] : [...bytesOf(left(name)), ...bytesOf(right(name))]);
    const piece = (id) => (names[id] < first ? special[names[id]] : shown(bytesOf(names[id])));

    /** Join neighbours by the earliest merge there is, while it is `allowed`: none joins what a later one makes. */
    function merged(word, allowed = () => true) {
      for (;;) {
        const joints = word.map((one, i) => joint(one, word[i + 1])).map((name) => (allowed(name) ? name : Infinity));
        const next = joints.reduce((least, name) => Math.min(least, name), Infinity);
        if (next === Infinity) return word;
        const made = [];
        for (let i = 0; i < word.length; i += 1) {
          made.push(joints[i] === next ? next : word[i]);
          if (joints[i] === next) i += 1;
        }
        word = made;
      }
    }

    function encode(text) {
      const [ids, outside] = [[], []];
      const lose = (lost) => outside.push({ text: lost, instead: [], lost: true });
      const replace = (name) => {
        const word = bytesOf(name).map((byte) => letters[byte]);
        const known = word.filter((letter) => own[letter] >= 0);
        const instead = merged(known, (made) => own[made] >= 0).map((one) => own[one]);
        ids.push(...instead);
        outside.push({ text: shown(bytesOf(name)), instead: instead.map(piece), lost: known.length < word.length });
      };
      text.split(typed).forEach((part, i) => {
        if (i % 2) return lose(part);
        for (const [word] of part.matchAll(WORDS)) {
          const found = [...toBytes.encode(word)];
          found.filter((byte) => letters[byte] < 0).forEach((byte) => lose(shown([byte])));
          const known = found.map((byte) => letters[byte]).filter((letter) => letter >= 0);
          for (const name of merged(known)) {
            if (own[name] < 0) replace(name);
            else ids.push(own[name]);
          }
        }
      });
      return { ids, outside };
    }

    const decode = (ids) => shown(Array.from(ids).flatMap((id) => (names[id] < first ? [] : bytesOf(names[id]))));
    return { encode, decode, pieces: (ids) => Array.from(ids, piece) };
  };
}
