// Drives Airalo's Node SDK. Arguments: address of the emulator, client id, secret, webhook address.
// Reads one line of JSON (what to order) and prints one line of JSON per step; between steps it waits for a line.
// The SDK's address is a constant; only that is changed.
const [address, clientId, clientSecret, webhookUrl] = process.argv.slice(2);
const { createRequire } = require("node:module");
const sdk = createRequire(process.env.AIRALO_NODE_SDK + "/");

sdk("airalo-sdk/src/constants/ApiConstants.js").BASE_URL.production = `${address}/v2/`;
const Airalo = sdk("airalo-sdk/src/Airalo.js");
const Signature = sdk("airalo-sdk/src/helpers/Signature.js");

const lines = require("node:readline").createInterface({ input: process.stdin });
const waiting = lines[Symbol.asyncIterator]();
const told = async () => (await waiting.next()).value;
const say = (content) => console.log(JSON.stringify(content));
const refusal = (promise) => promise.then(() => "", (error) => error.message);

async function ordering(client, sim, other) {
  const packages = (await client.getSimPackages(true)).data;
  const order = await client.order(sim, 2, "with Node");
  const accepted = await client.orderAsync(sim, 1, webhookUrl, "async with Node");
  const share = { to_email: "buyer@example.com", sharing_option: ["link"] };
  const shared = await client.orderWithEmailSimShare(sim, 1, share, "shared");
  const bulk = await client.orderBulk({ [sim]: 1, [other]: 2 }, "bulk");
  const sharedBulk = await client.orderBulkWithEmailSimShare({ [sim]: 1 }, share, "shared bulk");
  const asyncBulk = await client.orderAsyncBulk({ [sim]: 1, "no-such-package": 1 }, webhookUrl, "async bulk");
  say({
    packages: packages.length,
    all: (await client.getAllPackages(true, 5)).data.length,
    local: (await client.getLocalPackages(true, 5)).data.length,
    global: (await client.getGlobalPackages(true, 2)).data.length,
    country: (await client.getCountryPackages("jp", true)).data.length,
    iccids: order.data.sims.map((esim) => esim.iccid),
    request_id: accepted.data.request_id,
    sharing: [shared, sharedBulk[sim]].map((answer) => answer.data.sims[0].sharing.link),
    bulk: Object.values(bulk).map((answer) => answer.data.sims.length),
    async_bulk: asyncBulk[sim].data.request_id,
    async_bulk_refused: asyncBulk["no-such-package"].data.error,
    refused: await refusal(client.order("no-such-package", 1)),
  });
  return order.data.sims.map((esim) => esim.iccid);
}

async function owning(client, topup, iccids) {
  const [iccid, other] = iccids;
  say({
    usage: (await client.getSimUsage(iccid)).data,
    topups: (await client.getSimTopups(iccid)).data.map((row) => row.id),
    topup: (await client.topup(topup, iccid, "more")).data,
    history: (await client.getSimPackageHistory(iccid)).data.map((row) => row.package.type),
    usages: await client.getSimUsageBulk([iccid, other]),
    language: (await client.getSimInstructions(iccid, "fr")).data.instructions.language,
    unknown: await refusal(client.getSimUsage("8900000000000000000")),
  });
}

async function rest(client, sim, dueDate) {
  const voucher = await client.voucher(3, 5, 1);
  const esimVouchers = await client.esimVouchers({ vouchers: [{ package_id: sim, quantity: 2 }] });
  const made = await client.createFutureOrder(sim, 1, dueDate, webhookUrl, "later");
  const dropped = await client.createFutureOrder(sim, 1, dueDate, webhookUrl);
  say({
    voucher: voucher.data,
    esim_vouchers: esimVouchers.data,
    rates: (await client.getExchangeRates(null, null, null, "EUR,GBP")).data.rates,
    devices: (await client.getCompatibleDevices()).data.length,
    future: made.data.request_id,
    cancelled: (await client.cancelFutureOrder([dropped.data.request_id])).meta.message,
    too_soon: await refusal(client.createFutureOrder(sim, 1, "2025-01-01 10:00", webhookUrl)),
  });
}

async function main() {
  const client = new Airalo({ client_id: clientId, client_secret: clientSecret });
  await client.initialize();
  const { sim, other, topup, due_date: dueDate } = JSON.parse(await told());
  const iccids = await ordering(client, sim, other);
  // The test passes a webhook on: its signature, then its body.
  const signature = await told();
  say({ valid: new Signature(clientSecret).checkSignature(signature, await told()) });
  await owning(client, topup, iccids);
  await rest(client, sim, dueDate);
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
