// Drives Airalo's Node SDK. Arguments: address of the emulator, client id, secret, webhook address.
// Prints one line of JSON. The SDK's address is a constant; only that is changed.
const [address, clientId, clientSecret, webhookUrl] = process.argv.slice(2);
const { createRequire } = require("node:module");
const sdk = createRequire(process.env.AIRALO_NODE_SDK + "/");

sdk("airalo-sdk/src/constants/ApiConstants.js").BASE_URL.production = `${address}/v2/`;
const Airalo = sdk("airalo-sdk/src/Airalo.js");
const Signature = sdk("airalo-sdk/src/helpers/Signature.js");

async function main() {
  const client = new Airalo({ client_id: clientId, client_secret: clientSecret });
  await client.initialize();
  const packages = (await client.getSimPackages(true)).data;
  const plain = packages.find((row) => /^[\x20-\x7e]*$/.test(row.operator.title) && row.slug === "japan");
  const order = await client.order(plain.package_id, 2, "with Node");
  const accepted = await client.orderAsync(plain.package_id, 1, webhookUrl, "async with Node");
  let refused = "";
  try {
    await client.order("no-such-package", 1);
  } catch (error) {
    refused = error.message;
  }
  const checker = new Signature(clientSecret);
  console.log(
    JSON.stringify({
      packages: packages.length,
      iccids: order.data.sims.map((sim) => sim.iccid),
      request_id: accepted.data.request_id,
      refused,
    }),
  );
  // The second half waits for the webhook that the test passes on: signature, then body, one per line.
  const lines = require("node:readline").createInterface({ input: process.stdin });
  const [signature, body] = await new Promise((resolve) => {
    const got = [];
    lines.on("line", (line) => got.push(line) === 2 && resolve(got));
  });
  console.log(JSON.stringify({ valid: checker.checkSignature(signature, body) }));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
