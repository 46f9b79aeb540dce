// Reads {"secret", "bodies": {name: text}} and prints what JSON.stringify makes of each body, with its signature.
const { createHmac } = require("node:crypto");
const input = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const output = [];
for (const [name, body] of Object.entries(input.bodies)) {
  const plain = JSON.stringify(JSON.parse(body));
  // Airalo's own JavaScript SDK escapes the slashes afterwards, to come near to PHP.
  for (const [reading, encoded] of [["js-sdk", plain.replace(/\//g, "\\/")], ["javascript", plain]]) {
    const signature = createHmac("sha512", input.secret).update(encoded).digest("hex");
    output.push({ name, reading, encoded, signature });
  }
}
console.log(JSON.stringify(output));
