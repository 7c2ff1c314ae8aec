// Parses and verifies the leaves 0.pem … N-1.pem of the working directory with crypto/x509, as verify.py asks it to:
// verify N SECONDS-OF-EPOCH. Prints how many seconds it took and one 0 or 1 for each leaf.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func der(file string) []byte {
	block, _ := pem.Decode(must(os.ReadFile(file)))
	return block.Bytes
}

func pool(file string) *x509.CertPool {
	found := x509.NewCertPool()
	found.AddCert(must(x509.ParseCertificate(der(file))))
	return found
}

func verify(leaves [][]byte, options x509.VerifyOptions) []byte {
	verdicts := make([]byte, len(leaves))
	for number, bytes := range leaves {
		leaf := must(x509.ParseCertificate(bytes))
		options.DNSName = fmt.Sprintf("svc-%d.example", number)
		verdicts[number] = '1'
		if _, err := leaf.Verify(options); err != nil {
			verdicts[number] = '0'
		}
	}
	return verdicts
}

func main() {
	runtime.GOMAXPROCS(1)
	count, at := must(strconv.Atoi(os.Args[1])), must(strconv.Atoi(os.Args[2]))
	leaves := make([][]byte, count)
	for number := range leaves {
		leaves[number] = der(fmt.Sprintf("%d.pem", number))
	}
	options := x509.VerifyOptions{
		Roots: pool("root"), Intermediates: pool("middle"), CurrentTime: time.Unix(int64(at), 0),
	}
	started := time.Now()
	verdicts := verify(leaves, options)
	fmt.Printf("{\"seconds\": %f, \"verdicts\": \"%s\"}\n", time.Since(started).Seconds(), verdicts)
}
