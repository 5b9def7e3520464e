/*
 * tests/unit/key_fixtures.h - keys and signatures made by OpenSSH's ssh-keygen 9.2, for tests alone.
 *
 * The signatures are those inside an SSH signature (PROTOCOL.sshsig, "ssh-keygen -Y sign -n
 * sluice") of the six bytes "sluice", over fixture_signed. The keys guard nothing.
 */
#ifndef SLUICE_TESTS_KEY_FIXTURES_H
#define SLUICE_TESTS_KEY_FIXTURES_H

#include <stdint.h>

static const char fixture_ed25519[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
	"QyNTUxOQAAACAvu0Qa7qPyspxctN0nQIq178EeNYF7zQ8HlFAJhPfVBQAAAJhvclCjb3JQ\n"
	"owAAAAtzc2gtZWQyNTUxOQAAACAvu0Qa7qPyspxctN0nQIq178EeNYF7zQ8HlFAJhPfVBQ\n"
	"AAAEA58Kkb+xtfqakAsVomUCvKiEP4f17SbRKylIsoYK4x+y+7RBruo/KynFy03SdAirXv\n"
	"wR41gXvNDweUUAmE99UFAAAAD2VkMjU1MTkgZml4dHVyZQECAwQFBg==\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char fixture_ecdsa[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS\n"
	"1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQQq7o99m6+8HF8fsslaEJRXgRXcJOSc\n"
	"ZjRTexuFZXwHx1Z3MgCz2mS0t4y5XVfhR+Xey2TXST/X+73kz0xBqbFmAAAAqHLHF3hyxx\n"
	"d4AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCruj32br7wcXx+y\n"
	"yVoQlFeBFdwk5JxmNFN7G4VlfAfHVncyALPaZLS3jLldV+FH5d7LZNdJP9f7veTPTEGpsW\n"
	"YAAAAhAKEJfTDMdFkzWvKcPePH7SCLZ4mJNcwtOHKOwcSEr/5+AAAADWVjZHNhIGZpeHR1\n"
	"cmUBAg==\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char fixture_rsa[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAABFwAAAAdzc2gtcn\n"
	"NhAAAAAwEAAQAAAQEA1YYjtD57CxAl8F5EMWhJMkae4PjkznTrTjt8KTPbMFSPOP3iKAar\n"
	"gs6EYcbNNexhBEJHFTACL+2tKFITouES+hpYJDpLh0XwPR3uehz7XfNgQvBucnJBfm9Z6R\n"
	"htlM50j8RubxNbRwITE2oS6hYxVZ+TP1rxA1ejPnpRJhYfqrgfIHpH8nLsnzLtfmXMjqtg\n"
	"lSAYox3B4paBDi0Qjm+KkhvTDXp2F8+PHydp7IynR2LVMh/aVRtZDuTZ/985i4tPpw6Wob\n"
	"UnDvecmzO5sg1RZo6ya91B+yN4iez2Y3g2tuVDao2yUfirxuK6j8b+tQQjCusPV7zHdxQe\n"
	"yncpR8KbTwAAA8gIiduyCInbsgAAAAdzc2gtcnNhAAABAQDVhiO0PnsLECXwXkQxaEkyRp\n"
	"7g+OTOdOtOO3wpM9swVI84/eIoBquCzoRhxs017GEEQkcVMAIv7a0oUhOi4RL6GlgkOkuH\n"
	"RfA9He56HPtd82BC8G5yckF+b1npGG2UznSPxG5vE1tHAhMTahLqFjFVn5M/WvEDV6M+el\n"
	"EmFh+quB8gekfycuyfMu1+ZcyOq2CVIBijHcHiloEOLRCOb4qSG9MNenYXz48fJ2nsjKdH\n"
	"YtUyH9pVG1kO5Nn/3zmLi0+nDpahtScO95ybM7myDVFmjrJr3UH7I3iJ7PZjeDa25UNqjb\n"
	"JR+KvG4rqPxv61BCMK6w9XvMd3FB7KdylHwptPAAAAAwEAAQAAAQATQ2lIMxTVsCzEDTUY\n"
	"wgBMhVuDD2FREPJDmhE/BFsjdpV/PkRfeQ6TG/+MdKuB0GQGRtZz3mNsIIStLQ5xdN3J64\n"
	"OFLS8wMoqUcPVZVfEFjlXiZB+Kuq0W84PIiDgmoyOX7tBJvBTRiKng6AJx1PO5dk6J+jHh\n"
	"K9Bh7BYTGg7cT1rr0YL9lATCc/q3f+qyJNx77c08jz+HNrOL5wF+K35ncurcxOLalgca2P\n"
	"u+gQBviDv0rMwXJmNrXB10MxF3MTGe5ecvnS5m0FJWwhEeyvjzSXzXLw1MzuI3QebZvftm\n"
	"dUqnia5JrRFVVVxVtU1tq7S8AaohaZKGBmSVQk3f/NGtAAAAgQDTYjYGJI4yR4wjCSVZkB\n"
	"kM3Y51cHYrKEPezM/2pOK44sRU4je1F9l7L2qu5z1VPEjXsy1ktbJTrM52b/JTUMRuApds\n"
	"d2B3G0BfJeiSVIbCYOq+BgyecYsulPA5F+8/XzqaawEzwzzOoqe4ftwM4UixWn/5x+fwIw\n"
	"1f0OdU++B5JwAAAIEA6zwCesk6MgBaURiOWdqgMUQLCikD4ePPO0TpbdDDzty8HN6I8WkQ\n"
	"ZFoVc9zwt9YaGuZdAap7/bTbxDi36udvy3orcEcTDsmEdoI44LS9wBNW4zaJ2DYlqUpWrC\n"
	"DdAmeX48RdglHAmsPgV3+vBWyk+Iyrch+doILYPCKPVo16ANsAAACBAOhfgJ7vuKkFYyhR\n"
	"B/SCI+F/WwTkdqi0iKyHMGTs3chaoPhVtMQHZ5wsRHFaVLv1qSGnBcYSftvOcODwzivAzq\n"
	"YNV/bmCYL6y1Gb1K+EGAF0tjZx+C9NLXrPnPQMJP6OymRaug5i1jDRiGiwSmj+Mj+R9Bio\n"
	"pQhcFok9HZ2Abc+dAAAAC3JzYSBmaXh0dXJlAQIDBAUGBw==\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char fixture_ed25519_encrypted[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBpLUIu60\n"
	"01nTMdkrayoSxFAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIF5+J6FpkaWVQFdl\n"
	"0flLyBevpKPQOvnfeED+qxhGRQwnAAAAkMgxoQtZjsgHHvMERrKT+B9I7O0K6ZO7DDUN7a\n"
	"DWxMVqfLcDLOLX5n0XOQDwSkEGuqkq1ax0R+N1vG7cETSaG2+sYZnvDFB20KSfnUQt2URQ\n"
	"h4ya8rvxuVageawfMfiyihKS5ICOtez9NAMGvON+u5dPgkreyLQ5V0UwhA0qMa/J0CsKOn\n"
	"JxEuMgXWaIM9HX7Q==\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char fixture_rsa_1024[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAlwAAAAdzc2gtcn\n"
	"NhAAAAAwEAAQAAAIEA3rvQHt5Fw76lvgqpmtOBG8QRX3XXyFdlWnOpi2N/4yGuK+hEnjb0\n"
	"HGZ779HDxxtNobAV96EfoVMncz+kQI/v8aiqdRCvUCECUaux7w/gqQvgNWwNv1IMqGTeKM\n"
	"FTkdz90cLX/tpqGTgRYr1OcmDSU9afRPqhpaGRimKM7Qa/Rl0AAAIAMG6xCzBusQsAAAAH\n"
	"c3NoLXJzYQAAAIEA3rvQHt5Fw76lvgqpmtOBG8QRX3XXyFdlWnOpi2N/4yGuK+hEnjb0HG\n"
	"Z779HDxxtNobAV96EfoVMncz+kQI/v8aiqdRCvUCECUaux7w/gqQvgNWwNv1IMqGTeKMFT\n"
	"kdz90cLX/tpqGTgRYr1OcmDSU9afRPqhpaGRimKM7Qa/Rl0AAAADAQABAAAAgQDc+t9QUN\n"
	"xMiZCtDK0a8+6rGorV9/e/R55B8HDs3ynZsee4nje99O2aY79gvvALUbZizW3uAgh8qSCB\n"
	"wkl22JeHgz5jSwkMTWtCi74diVKvp2DrzYR7l2OGAV/ZHmOocAZ44PI2rtyjSojDjz85lu\n"
	"GKAroLBTfhQ64kjx3L77zSgQAAAEB7w/sWoqzeqXmWC9KwYg88ioFt2BYGUXFaketOXUtA\n"
	"MFk7aiaH/7aeYXQm71oYp7zIwzYrq6mINSI9ojSGwHpcAAAAQQD+Iu1pxPMzkiIAsGv9/I\n"
	"nG8hypRKZNC+Y1x+EwyJYvxMAudIXdKbt5mZ3H8V4d5RNg/J+D93eKylw+xI2D6o7hAAAA\n"
	"QQDgXe9wSB0wwAlW5aW8MH3tSjbk95NpWYNWwz4GHLkJesDQfktRTB89jmFZ+LB4EQaI1z\n"
	"p/N3vesPEp2zxnrFL9AAAABXNtYWxsAQIDBAU=\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char fixture_p384[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAiAAAABNlY2RzYS\n"
	"1zaGEyLW5pc3RwMzg0AAAACG5pc3RwMzg0AAAAYQTqNPgB3w/8ljfkH35XnRVzJ+hPtFUN\n"
	"Gt+QZhOKsXlFOGQpdsNDLuKTF1FXaLZCSIyMUx1Kr1FslA8h9RxTDCRJRtNd2eoIFoiyr9\n"
	"FEfvhEOU3NZ2UtKwX4xVpksXmt/o4AAADQ6VQXnOlUF5wAAAATZWNkc2Etc2hhMi1uaXN0\n"
	"cDM4NAAAAAhuaXN0cDM4NAAAAGEE6jT4Ad8P/JY35B9+V50VcyfoT7RVDRrfkGYTirF5RT\n"
	"hkKXbDQy7ikxdRV2i2QkiMjFMdSq9RbJQPIfUcUwwkSUbTXdnqCBaIsq/RRH74RDlNzWdl\n"
	"LSsF+MVaZLF5rf6OAAAAMQCEEyDAT0lVt+NwrE2avuB8jOFB1WSQbdlNfeh5aZAF05vBEa\n"
	"HGEdrB9rsjoEJWMy8AAAAEcDM4NAECAw==\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char fixture_ecdsa_pem[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"MHcCAQEEIKEJfTDMdFkzWvKcPePH7SCLZ4mJNcwtOHKOwcSEr/5+oAoGCCqGSM49\n"
	"AwEHoUQDQgAEKu6PfZuvvBxfH7LJWhCUV4EV3CTknGY0U3sbhWV8B8dWdzIAs9pk\n"
	"tLeMuV1X4Ufl3stk10k/1/u95M9MQamxZg==\n"
	"-----END EC PRIVATE KEY-----\n";

static const char fixture_ecdsa_pem_compressed[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"MFcCAQEEIKEJfTDMdFkzWvKcPePH7SCLZ4mJNcwtOHKOwcSEr/5+oAoGCCqGSM49\n"
	"AwEHoSQDIgACKu6PfZuvvBxfH7LJWhCUV4EV3CTknGY0U3sbhWV8B8c=\n"
	"-----END EC PRIVATE KEY-----\n";

static const char fixture_ecdsa_pkcs8[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoQl9MMx0WTNa8pw9\n"
	"48ftIItniYk1zC04co7BxISv/n6hRANCAAQq7o99m6+8HF8fsslaEJRXgRXcJOSc\n"
	"ZjRTexuFZXwHx1Z3MgCz2mS0t4y5XVfhR+Xey2TXST/X+73kz0xBqbFm\n"
	"-----END PRIVATE KEY-----\n";

static const char fixture_ecdsa_pkcs8_encrypted[] =
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	"MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgcW+eQE4aonAICCAAw\n"
	"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEECcT1JLR40VXT08on6s8FCkEgZAQ\n"
	"VW/QJmUi2QkCZsJ/XMSowAY8yJd2LdXYloYmzSFAcyCB8UHSTFYRLe5+7Mr7Zj4q\n"
	"whgUtrkZcGDhneTU1ThqOYULDq+qAV2/eYYmbWHGSjVZe3F0BNwS64k7i87wZWNb\n"
	"P6SdxUA2+92p2efuDmH87BklDmUs1HosZWtUWjBug4Wv4yuLYYnaV8PacDoAtq0=\n"
	"-----END ENCRYPTED PRIVATE KEY-----\n";

static const char fixture_rsa_pem[] =
	"-----BEGIN RSA PRIVATE KEY-----\n"
	"MIIEpAIBAAKCAQEA1YYjtD57CxAl8F5EMWhJMkae4PjkznTrTjt8KTPbMFSPOP3i\n"
	"KAargs6EYcbNNexhBEJHFTACL+2tKFITouES+hpYJDpLh0XwPR3uehz7XfNgQvBu\n"
	"cnJBfm9Z6RhtlM50j8RubxNbRwITE2oS6hYxVZ+TP1rxA1ejPnpRJhYfqrgfIHpH\n"
	"8nLsnzLtfmXMjqtglSAYox3B4paBDi0Qjm+KkhvTDXp2F8+PHydp7IynR2LVMh/a\n"
	"VRtZDuTZ/985i4tPpw6WobUnDvecmzO5sg1RZo6ya91B+yN4iez2Y3g2tuVDao2y\n"
	"UfirxuK6j8b+tQQjCusPV7zHdxQeyncpR8KbTwIDAQABAoIBABNDaUgzFNWwLMQN\n"
	"NRjCAEyFW4MPYVEQ8kOaET8EWyN2lX8+RF95DpMb/4x0q4HQZAZG1nPeY2wghK0t\n"
	"DnF03cnrg4UtLzAyipRw9VlV8QWOVeJkH4q6rRbzg8iIOCajI5fu0Em8FNGIqeDo\n"
	"AnHU87l2Ton6MeEr0GHsFhMaDtxPWuvRgv2UBMJz+rd/6rIk3HvtzTyPP4c2s4vn\n"
	"AX4rfmdy6tzE4tqWBxrY+76BAG+IO/SszBcmY2tcHXQzEXcxMZ7l5y+dLmbQUlbC\n"
	"ER7K+PNJfNcvDUzO4jdB5tm9+2Z1SqeJrkmtEVVVXFW1TW2rtLwBqiFpkoYGZJVC\n"
	"Td/80a0CgYEA6zwCesk6MgBaURiOWdqgMUQLCikD4ePPO0TpbdDDzty8HN6I8WkQ\n"
	"ZFoVc9zwt9YaGuZdAap7/bTbxDi36udvy3orcEcTDsmEdoI44LS9wBNW4zaJ2DYl\n"
	"qUpWrCDdAmeX48RdglHAmsPgV3+vBWyk+Iyrch+doILYPCKPVo16ANsCgYEA6F+A\n"
	"nu+4qQVjKFEH9IIj4X9bBOR2qLSIrIcwZOzdyFqg+FW0xAdnnCxEcVpUu/WpIacF\n"
	"xhJ+285w4PDOK8DOpg1X9uYJgvrLUZvUr4QYAXS2NnH4L00tes+c9Awk/o7KZFq6\n"
	"DmLWMNGIaLBKaP4yP5H0GKilCFwWiT0dnYBtz50CgYAahnPJILO9O6jziA9VNn/l\n"
	"zkRoauOTLzsI9eZUibvqsZ1MrBNJFY3Row7UN8+1CyF6cwt9ypmcrC4z3ClxBZPn\n"
	"n+kSChGuEy8qpdiADiFvbT7Y9CdrCAALLOTFGBeT09aeyl+4+Dr9uKSteSplNDEO\n"
	"Dd6vSb1egiKb9VGwcteVDQKBgQCvOGR6dHUgLonIuuFuxDteLHRrygKX0BpHTmF1\n"
	"mQ7bp0s+NxJpxtOf9dleSCkg2mtAjvtRklzKTm7bj3lHkMnCeMldybReadKqpQDJ\n"
	"oKehYWqMv3/P2zhyJN9LP2Ud9nozFh65/llY0oczuctCRHuLZ/lSJsja9uWfctBE\n"
	"FbW4GQKBgQDTYjYGJI4yR4wjCSVZkBkM3Y51cHYrKEPezM/2pOK44sRU4je1F9l7\n"
	"L2qu5z1VPEjXsy1ktbJTrM52b/JTUMRuApdsd2B3G0BfJeiSVIbCYOq+BgyecYsu\n"
	"lPA5F+8/XzqaawEzwzzOoqe4ftwM4UixWn/5x+fwIw1f0OdU++B5Jw==\n"
	"-----END RSA PRIVATE KEY-----\n";

static const char fixture_rsa_pkcs8[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDVhiO0PnsLECXw\n"
	"XkQxaEkyRp7g+OTOdOtOO3wpM9swVI84/eIoBquCzoRhxs017GEEQkcVMAIv7a0o\n"
	"UhOi4RL6GlgkOkuHRfA9He56HPtd82BC8G5yckF+b1npGG2UznSPxG5vE1tHAhMT\n"
	"ahLqFjFVn5M/WvEDV6M+elEmFh+quB8gekfycuyfMu1+ZcyOq2CVIBijHcHiloEO\n"
	"LRCOb4qSG9MNenYXz48fJ2nsjKdHYtUyH9pVG1kO5Nn/3zmLi0+nDpahtScO95yb\n"
	"M7myDVFmjrJr3UH7I3iJ7PZjeDa25UNqjbJR+KvG4rqPxv61BCMK6w9XvMd3FB7K\n"
	"dylHwptPAgMBAAECggEAE0NpSDMU1bAsxA01GMIATIVbgw9hURDyQ5oRPwRbI3aV\n"
	"fz5EX3kOkxv/jHSrgdBkBkbWc95jbCCErS0OcXTdyeuDhS0vMDKKlHD1WVXxBY5V\n"
	"4mQfirqtFvODyIg4JqMjl+7QSbwU0Yip4OgCcdTzuXZOifox4SvQYewWExoO3E9a\n"
	"69GC/ZQEwnP6t3/qsiTce+3NPI8/hzazi+cBfit+Z3Lq3MTi2pYHGtj7voEAb4g7\n"
	"9KzMFyZja1wddDMRdzExnuXnL50uZtBSVsIRHsr480l81y8NTM7iN0Hm2b37ZnVK\n"
	"p4muSa0RVVVcVbVNbau0vAGqIWmShgZklUJN3/zRrQKBgQDrPAJ6yToyAFpRGI5Z\n"
	"2qAxRAsKKQPh4887ROlt0MPO3Lwc3ojxaRBkWhVz3PC31hoa5l0Bqnv9tNvEOLfq\n"
	"52/LeitwRxMOyYR2gjjgtL3AE1bjNonYNiWpSlasIN0CZ5fjxF2CUcCaw+BXf68F\n"
	"bKT4jKtyH52ggtg8Io9WjXoA2wKBgQDoX4Ce77ipBWMoUQf0giPhf1sE5HaotIis\n"
	"hzBk7N3IWqD4VbTEB2ecLERxWlS79akhpwXGEn7bznDg8M4rwM6mDVf25gmC+stR\n"
	"m9SvhBgBdLY2cfgvTS16z5z0DCT+jspkWroOYtYw0YhosEpo/jI/kfQYqKUIXBaJ\n"
	"PR2dgG3PnQKBgBqGc8kgs707qPOID1U2f+XORGhq45MvOwj15lSJu+qxnUysE0kV\n"
	"jdGjDtQ3z7ULIXpzC33KmZysLjPcKXEFk+ef6RIKEa4TLyql2IAOIW9tPtj0J2sI\n"
	"AAss5MUYF5PT1p7KX7j4Ov24pK15KmU0MQ4N3q9JvV6CIpv1UbBy15UNAoGBAK84\n"
	"ZHp0dSAuici64W7EO14sdGvKApfQGkdOYXWZDtunSz43EmnG05/12V5IKSDaa0CO\n"
	"+1GSXMpObtuPeUeQycJ4yV3JtF5p0qqlAMmgp6Fhaoy/f8/bOHIk30s/ZR32ejMW\n"
	"Hrn+WVjShzO5y0JEe4tn+VImyNr25Z9y0EQVtbgZAoGBANNiNgYkjjJHjCMJJVmQ\n"
	"GQzdjnVwdisoQ97Mz/ak4rjixFTiN7UX2Xsvaq7nPVU8SNezLWS1slOsznZv8lNQ\n"
	"xG4Cl2x3YHcbQF8l6JJUhsJg6r4GDJ5xiy6U8DkX7z9fOpprATPDPM6ip7h+3Azh\n"
	"SLFaf/nH5/AjDV/Q51T74Hkn\n"
	"-----END PRIVATE KEY-----\n";

static const char fixture_rsa_1024_pem[] =
	"-----BEGIN RSA PRIVATE KEY-----\n"
	"MIICXAIBAAKBgQDeu9Ae3kXDvqW+Cqma04EbxBFfddfIV2Vac6mLY3/jIa4r6ESe\n"
	"NvQcZnvv0cPHG02hsBX3oR+hUydzP6RAj+/xqKp1EK9QIQJRq7HvD+CpC+A1bA2/\n"
	"UgyoZN4owVOR3P3Rwtf+2moZOBFivU5yYNJT1p9E+qGloZGKYoztBr9GXQIDAQAB\n"
	"AoGBANz631BQ3EyJkK0MrRrz7qsaitX3979HnkHwcOzfKdmx57ieN7307Zpjv2C+\n"
	"8AtRtmLNbe4CCHypIIHCSXbYl4eDPmNLCQxNa0KLvh2JUq+nYOvNhHuXY4YBX9ke\n"
	"Y6hwBnjg8jau3KNKiMOPPzmW4YoCugsFN+FDriSPHcvvvNKBAkEA/iLtacTzM5Ii\n"
	"ALBr/fyJxvIcqUSmTQvmNcfhMMiWL8TALnSF3Sm7eZmdx/FeHeUTYPyfg/d3ispc\n"
	"PsSNg+qO4QJBAOBd73BIHTDACVblpbwwfe1KNuT3k2lZg1bDPgYcuQl6wNB+S1FM\n"
	"Hz2OYVn4sHgRBojXOn83e96w8SnbPGesUv0CQFjwsFYL73Fk+zFyjNjewPk3UoCK\n"
	"3gio2XCI+26vRKCDIx8e+JpmOI5eDLIk7uNXgGi5ALqWqOeR2qa88ynvtQECQCGc\n"
	"sPQnOYhGHKASA0QwF41m4tZmaIUNzek/kpkj0GylISGa6fmh58Q3AkqSQQ2br1js\n"
	"tWy9iScRZu+YUnJNlJkCQHvD+xairN6peZYL0rBiDzyKgW3YFgZRcVqR605dS0Aw\n"
	"WTtqJof/tp5hdCbvWhinvMjDNiurqYg1Ij2iNIbAelw=\n"
	"-----END RSA PRIVATE KEY-----\n";

static const char fixture_ed25519_pkcs8[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIOJ5Bi00OtfiRY7hVwFgk4VF8H/rqLzd9BG8dOrRFsy6\n"
	"-----END PRIVATE KEY-----\n";

static const char fixture_ed25519_pub[] =
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC+7RBruo/KynFy03SdAirXvwR41gXvNDweUUAmE99UF ed25519 fixture";

static const char fixture_ecdsa_pub[] =
	"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCruj32br7wcXx+yyVoQlFeBFdwk5JxmNFN7G4VlfAfHVncyALPaZLS3jLldV+FH5d7LZNdJP9f7veTPTEGpsWY= ecdsa fixture";

static const char fixture_rsa_pub[] =
	"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDVhiO0PnsLECXwXkQxaEkyRp7g+OTOdOtOO3wpM9swVI84/eIoBquCzoRhxs017GEEQkcVMAIv7a0oUhOi4RL6GlgkOkuHRfA9He56HPtd82BC8G5yckF+b1npGG2UznSPxG5vE1tHAhMTahLqFjFVn5M/WvEDV6M+elEmFh+quB8gekfycuyfMu1+ZcyOq2CVIBijHcHiloEOLRCOb4qSG9MNenYXz48fJ2nsjKdHYtUyH9pVG1kO5Nn/3zmLi0+nDpahtScO95ybM7myDVFmjrJr3UH7I3iJ7PZjeDa25UNqjbJR+KvG4rqPxv61BCMK6w9XvMd3FB7KdylHwptP rsa fixture";

static const uint8_t fixture_signed[] = {
	0x53, 0x53, 0x48, 0x53, 0x49, 0x47, 0x00, 0x00, 0x00, 0x06, 0x73, 0x6c,
	0x75, 0x69, 0x63, 0x65, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06,
	0x73, 0x68, 0x61, 0x35, 0x31, 0x32, 0x00, 0x00, 0x00, 0x40, 0x47, 0x19,
	0xc3, 0x9f, 0x45, 0x22, 0x92, 0x6b, 0xa6, 0x88, 0xa4, 0xdd, 0x7d, 0xec,
	0x53, 0xe9, 0xb8, 0xd0, 0xa4, 0x59, 0x58, 0xb9, 0xd4, 0xbe, 0x89, 0xca,
	0xea, 0x66, 0xf8, 0xc3, 0xbd, 0x56, 0x2c, 0x18, 0x8b, 0x70, 0x92, 0xb7,
	0x0b, 0x52, 0xb9, 0xa0, 0x24, 0xd6, 0xa5, 0x7b, 0x45, 0x67, 0x5e, 0x12,
	0x17, 0x54, 0xd9, 0xa2, 0x46, 0x02, 0xbd, 0xf2, 0x24, 0x6f, 0xfe, 0xa6,
	0x13, 0x25,
};

static const uint8_t fixture_ed25519_sig[] = {
	0x00, 0x00, 0x00, 0x0b, 0x73, 0x73, 0x68, 0x2d, 0x65, 0x64, 0x32, 0x35,
	0x35, 0x31, 0x39, 0x00, 0x00, 0x00, 0x40, 0x4d, 0x43, 0x21, 0xf5, 0x0e,
	0x05, 0xef, 0xa5, 0x02, 0xaf, 0x2f, 0xd2, 0xe3, 0x2a, 0x0b, 0x30, 0xdd,
	0x5b, 0x97, 0x87, 0x0b, 0xd5, 0x85, 0xa9, 0x63, 0x93, 0xaf, 0x92, 0x11,
	0xf2, 0xda, 0xbd, 0xd4, 0x2d, 0xe8, 0x18, 0x1c, 0x74, 0x19, 0x01, 0x6d,
	0xe0, 0x6e, 0x47, 0x9f, 0x27, 0x18, 0xa9, 0x4b, 0xf7, 0xcc, 0x7a, 0x10,
	0xd9, 0x0f, 0xf3, 0x4f, 0xf1, 0x7b, 0xd1, 0xea, 0x15, 0xe5, 0x06,
};

static const uint8_t fixture_ecdsa_sig[] = {
	0x00, 0x00, 0x00, 0x13, 0x65, 0x63, 0x64, 0x73, 0x61, 0x2d, 0x73, 0x68,
	0x61, 0x32, 0x2d, 0x6e, 0x69, 0x73, 0x74, 0x70, 0x32, 0x35, 0x36, 0x00,
	0x00, 0x00, 0x49, 0x00, 0x00, 0x00, 0x20, 0x2a, 0x3a, 0xbb, 0xc2, 0x8e,
	0x13, 0x9e, 0x4a, 0x4a, 0xf2, 0xc9, 0x33, 0x29, 0x2a, 0x3e, 0xf3, 0xa4,
	0xa4, 0x77, 0x79, 0x43, 0xdb, 0xae, 0xf1, 0x5e, 0x13, 0x64, 0x73, 0xf9,
	0x36, 0x98, 0xdd, 0x00, 0x00, 0x00, 0x21, 0x00, 0xe4, 0x0b, 0x2b, 0x9b,
	0xe5, 0x71, 0xdd, 0x97, 0xee, 0x80, 0xba, 0xfe, 0x92, 0x2a, 0xb0, 0xc8,
	0xfa, 0x7b, 0xc5, 0x50, 0xdb, 0x50, 0x76, 0x5f, 0x53, 0x21, 0x75, 0x5a,
	0xdb, 0x00, 0x3b, 0x1b,
};

static const uint8_t fixture_rsa_sig[] = {
	0x00, 0x00, 0x00, 0x0c, 0x72, 0x73, 0x61, 0x2d, 0x73, 0x68, 0x61, 0x32,
	0x2d, 0x35, 0x31, 0x32, 0x00, 0x00, 0x01, 0x00, 0x10, 0x60, 0x6a, 0x03,
	0x1e, 0xd5, 0xad, 0x32, 0xd3, 0x7d, 0x3e, 0x47, 0xb1, 0x46, 0x16, 0xce,
	0xf0, 0x23, 0x3f, 0xcf, 0x99, 0x3b, 0x6d, 0xa0, 0xf5, 0x83, 0x86, 0x3b,
	0x68, 0xf6, 0x7f, 0x8b, 0xeb, 0xc9, 0xfd, 0x7c, 0x32, 0x03, 0x04, 0x1c,
	0xf6, 0xc6, 0x90, 0x78, 0xdb, 0x89, 0x0f, 0x5f, 0x85, 0xa6, 0xfb, 0x84,
	0x30, 0x25, 0x44, 0xc1, 0xb0, 0x34, 0x77, 0xe2, 0x70, 0x0e, 0xc7, 0x8a,
	0x3e, 0x94, 0x49, 0xd6, 0x1b, 0xdf, 0x28, 0x5c, 0x6d, 0x46, 0x4d, 0x1c,
	0x8b, 0x34, 0x65, 0xaf, 0xf2, 0x44, 0xc5, 0x1c, 0x5a, 0xa9, 0xa9, 0xee,
	0xf6, 0xed, 0x14, 0xd5, 0x43, 0x42, 0x89, 0x0f, 0x39, 0x69, 0x19, 0x82,
	0x0c, 0x37, 0x99, 0xbd, 0x46, 0x7c, 0xad, 0x1c, 0xa9, 0x58, 0xe1, 0x6d,
	0x2a, 0x74, 0xfe, 0xb5, 0xc9, 0x45, 0xfe, 0x6b, 0xf2, 0xc4, 0x0f, 0x8b,
	0x26, 0x7b, 0x16, 0x13, 0x1f, 0xe5, 0x70, 0x79, 0x50, 0x9a, 0xfd, 0x0a,
	0xa5, 0xa7, 0xbd, 0xca, 0xcc, 0x7a, 0xfb, 0x5c, 0xa8, 0x94, 0xae, 0x6e,
	0x9c, 0xeb, 0xaa, 0xb4, 0x47, 0x01, 0x10, 0x2b, 0xed, 0x3e, 0x5d, 0xbd,
	0x92, 0xc1, 0x23, 0xb2, 0x1f, 0x03, 0xc9, 0x61, 0x3e, 0x17, 0x1c, 0x34,
	0x88, 0x23, 0xef, 0xa6, 0xef, 0x59, 0x20, 0x5e, 0x02, 0x59, 0x34, 0x4c,
	0x32, 0x72, 0xc4, 0x8a, 0x46, 0xdb, 0x36, 0x81, 0x54, 0x8b, 0x11, 0x8f,
	0x47, 0x94, 0x7c, 0x64, 0xb5, 0x8c, 0xa9, 0xeb, 0xb7, 0xe3, 0xa9, 0x9d,
	0x2c, 0x49, 0xed, 0x29, 0xb8, 0x98, 0x65, 0x1a, 0xb1, 0x3a, 0xec, 0xd1,
	0xf5, 0x2e, 0x94, 0x4d, 0x50, 0x7d, 0xc9, 0x3b, 0x9e, 0xee, 0x97, 0xa2,
	0x09, 0x63, 0x8c, 0xe0, 0x19, 0xfe, 0x00, 0x14, 0x0b, 0x27, 0xd3, 0xed,
	0xb7, 0xee, 0x93, 0x12, 0x2e, 0xb6, 0x75, 0x9c, 0x79, 0xea, 0xc1, 0xb5,
};

#endif
