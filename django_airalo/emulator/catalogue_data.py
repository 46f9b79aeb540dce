"""Raw material for the invented catalogue: real countries, made-up operators."""

from __future__ import annotations

_COUNTRIES = """
AF Afghanistan;AX Åland Islands;AL Albania;DZ Algeria;AD Andorra;AO Angola;AI Anguilla;AG Antigua and Barbuda;
AR Argentina;AM Armenia;AW Aruba;AU Australia;AT Austria;AZ Azerbaijan;BS Bahamas;BH Bahrain;BD Bangladesh;
BB Barbados;BY Belarus;BE Belgium;BZ Belize;BJ Benin;BM Bermuda;BT Bhutan;BO Bolivia;BQ Bonaire;
BA Bosnia and Herzegovina;BW Botswana;BR Brazil;VG British Virgin Islands;BN Brunei;BG Bulgaria;BF Burkina Faso;
BI Burundi;KH Cambodia;CM Cameroon;CA Canada;IC Canary Islands;CV Cape Verde;KY Cayman Islands;
CF Central African Republic;TD Chad;CL Chile;CN China;CO Colombia;KM Comoros;CG Congo;CK Cook Islands;
CR Costa Rica;CI Côte d'Ivoire;HR Croatia;CW Curaçao;CY Cyprus;CZ Czech Republic;CD Democratic Republic of the Congo;
DK Denmark;DJ Djibouti;DM Dominica;DO Dominican Republic;EC Ecuador;EG Egypt;SV El Salvador;GQ Equatorial Guinea;
ER Eritrea;EE Estonia;SZ Eswatini;ET Ethiopia;FK Falkland Islands;FO Faroe Islands;FJ Fiji;FI Finland;FR France;
GF French Guiana;PF French Polynesia;GA Gabon;GM Gambia;GE Georgia;DE Germany;GH Ghana;GI Gibraltar;GR Greece;
GL Greenland;GD Grenada;GP Guadeloupe;GU Guam;GT Guatemala;GG Guernsey;GN Guinea;GW Guinea-Bissau;GY Guyana;HT Haiti;
HN Honduras;HK Hong Kong;HU Hungary;IS Iceland;IN India;ID Indonesia;IQ Iraq;IE Ireland;IM Isle of Man;IL Israel;
IT Italy;JM Jamaica;JP Japan;JE Jersey;JO Jordan;KZ Kazakhstan;KE Kenya;KI Kiribati;XK Kosovo;KW Kuwait;
KG Kyrgyzstan;LA Laos;LV Latvia;LB Lebanon;LS Lesotho;LR Liberia;LY Libya;LI Liechtenstein;LT Lithuania;
LU Luxembourg;MO Macao;MG Madagascar;MW Malawi;MY Malaysia;MV Maldives;ML Mali;MT Malta;MQ Martinique;MR Mauritania;
MU Mauritius;YT Mayotte;MX Mexico;MD Moldova;MC Monaco;MN Mongolia;ME Montenegro;MS Montserrat;MA Morocco;
MZ Mozambique;MM Myanmar;NA Namibia;NR Nauru;NP Nepal;NL Netherlands;NC New Caledonia;NZ New Zealand;NI Nicaragua;
NE Niger;NG Nigeria;MK North Macedonia;NO Norway;OM Oman;PK Pakistan;PW Palau;PS Palestine;PA Panama;
PG Papua New Guinea;PY Paraguay;PE Peru;PH Philippines;PL Poland;PT Portugal;PR Puerto Rico;QA Qatar;RE Réunion;
RO Romania;RU Russia;RW Rwanda;BL Saint Barthélemy;KN Saint Kitts and Nevis;LC Saint Lucia;MF Saint Martin;
VC Saint Vincent and the Grenadines;WS Samoa;SM San Marino;ST São Tomé and Príncipe;SA Saudi Arabia;SN Senegal;
RS Serbia;SC Seychelles;SL Sierra Leone;SG Singapore;SX Sint Maarten;SK Slovakia;SI Slovenia;SB Solomon Islands;
SO Somalia;ZA South Africa;KR South Korea;SS South Sudan;ES Spain;LK Sri Lanka;SD Sudan;SR Suriname;SE Sweden;
CH Switzerland;TW Taiwan;TJ Tajikistan;TZ Tanzania;TH Thailand;TL Timor-Leste;TG Togo;TO Tonga;
TT Trinidad and Tobago;TN Tunisia;TR Türkiye;TM Turkmenistan;TC Turks and Caicos Islands;TV Tuvalu;UG Uganda;
UA Ukraine;AE United Arab Emirates;GB United Kingdom;US United States;UY Uruguay;UZ Uzbekistan;VU Vanuatu;
VA Vatican City;VE Venezuela;VN Vietnam;VI Virgin Islands;YE Yemen;ZM Zambia;ZW Zimbabwe
"""
COUNTRIES: list[tuple[str, str]] = [
    (entry[:2], entry[3:]) for entry in _COUNTRIES.replace("\n", "").split(";") if entry
]

# Region: title, the operator's invented name, and the countries it covers (empty: all of them).
REGIONS: dict[str, tuple[str, str, str]] = {
    "europe": (
        "Europe",
        "Continenta",
        "AL AD AT BE BA BG HR CY CZ DK EE FO FI FR DE GI GR GG HU IS IE IM IT JE XK LV LI LT LU MT MD MC ME NL "
        "MK NO PL PT RO SM RS SK SI ES SE CH TR UA GB VA",
    ),
    "asia": ("Asia", "Asiaverse", "BD BN KH CN HK IN ID JP KZ KG LA MO MY MN MM NP PK PH SG KR LK TW TH UZ VN"),
    "africa": (
        "Africa",
        "Savannet",
        "DZ BJ BW BF CM CF TD CG CI CD EG ET GA GH GN KE LR LY MG MW ML MR MU MA MZ NA NE NG RW SN SC SL ZA SD SZ "
        "TZ TN UG ZM ZW",
    ),
    "north-america": ("North America", "Tri Norte", "CA MX US"),
    "latin-america": (
        "Latin America",
        "Latamigo",
        "AR BO BR CL CO CR DO EC SV GT GF GY HN NI PA PY PE PR SR UY VE",
    ),
    "caribbean-islands": (
        "Caribbean Islands",
        "Islahop",
        "AI AG AW BS BB BM BQ VG KY CW DM DO GD GP HT JM MQ MS BL KN LC MF VC SX TT TC VI",
    ),
    "middle-east-and-north-africa": (
        "Middle East and North Africa",
        "Oasia",
        "DZ BH EG IQ IL JO KW LB LY MA OM PS QA SA TN TR AE YE",
    ),
    "oceania": ("Oceania", "Reeflink", "AU FJ GU KI NR NC NZ PW PG WS SB TO TV VU PF"),
    "world": ("Global", "Orbivia", ""),
}

# Invented endings of operators' names; some with accents on purpose, since real ones have them.
NAME_ENDINGS = (
    "Mobil",
    "Móvil",
    "Connect",
    "Télécom",
    "Roam",
    "Netz",
    "Signal",
    "Voyage",
    "Línea",
    "Wander",
    "Ünico",
    "Link",
)

# Countries with a second operator of the same title that has nothing but top-ups, for eSIMs sold long ago.
OLD_OPERATORS = frozenset(("DK", "MY", "PE"))
# Countries with top-ups of their own for universal eSIMs.
UNIVERSAL_COUNTRIES = ("DE", "JP", "US")

# Currency: units for one US dollar, and digits after the point. Invented but plausible, and fixed.
CURRENCIES: dict[str, tuple[float, int]] = {
    "AED": (3.67, 2),
    "AUD": (1.52, 2),
    "BRL": (5.4, 2),
    "CAD": (1.37, 2),
    "EUR": (0.87, 2),
    "GBP": (0.75, 2),
    "IDR": (16400, 0),
    "ILS": (3.4, 2),
    "INR": (87.5, 2),
    "JPY": (148, 0),
    "KRW": (1390, 0),
    "KWD": (0.306, 3),
    "MXN": (18.7, 2),
    "MYR": (4.22, 2),
    "SGD": (1.28, 2),
    "USD": (1, 2),
    "VND": (26200, 0),
    "ZAR": (17.4, 2),
}

# Gigabytes and days of the ordinary packages of an operator, cheapest first.
PLANS: tuple[tuple[int, int], ...] = (
    (1, 3),
    (1, 7),
    (2, 15),
    (3, 3),
    (3, 30),
    (5, 7),
    (5, 30),
    (10, 15),
    (10, 30),
    (15, 30),
    (20, 30),
    (50, 30),
)
UNLIMITED_DAYS = (3, 7, 15)

# Test package: the business code with which an order for it is refused (Airalo's sandbox, documented).
TEST_PACKAGES: dict[str, int] = {
    "test-insufficient-balance-7days-1gb": 11,
    "test-maintenance-mode-7days-1gb": 13,
    "test-disabled-top-up-7days-1gb": 23,
    "test-not-enough-7days-1gb": 33,
    "test-out-of-stock-7days-1gb": 34,
}

# Packages that can only be ordered for later: the state such a future order stays in (sandbox, documented).
TEST_FUTURE_PACKAGES: dict[str, str] = {
    "test-create-pending-future-order-7days-1gb": "pending",
    "test-create-failed-future-order-7days-1gb": "failed",
    "test-create-retry-future-order-7days-1gb": "retry",
}
