/**
 * A self-signed certificate for `localhost` and 127.0.0.1, good until 2126, and its key. Known to everybody: for tests of
 * this repository only.
 */
export const tlsCertificate = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUULJeYtiIMhCidkTCOM3tttAo3LQwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjA4MTgwN1oYDzIxMjYxMDI5
MDgxODA3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQUefxY8OjQVmiGZVUgta25tO9M+9JmAMhHs5+YWd7Jy9WfinP6PMNL
iudEmDGUlnMbmt6uDN9IEQG1GrKxDAe3o28wbTAdBgNVHQ4EFgQUPNTds0ceJuUK
8qBQ3PCIaYPorMswHwYDVR0jBBgwFoAUPNTds0ceJuUK8qBQ3PCIaYPorMswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgdO09d3yukeGsuiL+A5ZXf1j9eJ0quX1ya3BwYEK+gCcCIEAT
bFpErSv/4g43mc37WJzjlfXRG/sVmQJpqDVdcfdA
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgbf+8w2yICgRWFLOF
vJGFjupcksUxz1TSbnovng92LiqhRANCAAQUefxY8OjQVmiGZVUgta25tO9M+9Jm
AMhHs5+YWd7Jy9WfinP6PMNLiudEmDGUlnMbmt6uDN9IEQG1GrKxDAe3
-----END PRIVATE KEY-----
`,
} as const;
