<?php
// Reads {"secret", "bodies": {name: text}} and prints what PHP's json_encode makes of each body, with its signature.
$input = json_decode(file_get_contents('php://stdin'), true, 512, JSON_THROW_ON_ERROR);
$output = [];
foreach ($input['bodies'] as $name => $body) {
    foreach (['php' => false, 'php-arrays' => true] as $reading => $associative) {
        $payload = json_decode($body, $associative);
        if (json_last_error() !== JSON_ERROR_NONE) {
            continue; // such as a lone surrogate, which PHP refuses
        }
        $encoded = json_encode($payload);
        if ($encoded !== false) {
            $signature = hash_hmac('sha512', $encoded, $input['secret']);
            $output[] = ['name' => $name, 'reading' => $reading, 'encoded' => $encoded, 'signature' => $signature];
        }
    }
}
echo json_encode($output, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
