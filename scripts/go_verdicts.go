// Answers every case on standard input with the verdict of Go's crypto/x509.
//
// One JSON object per line: name, leaf, roots, intermediates (base64 DER), at (RFC 3339), host, usage. Answers, in
// order, with one JSON object per line: name, ok, reason.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"os"
	"time"
)

type question struct {
	Name          string
	Leaf          []byte
	Roots         [][]byte
	Intermediates [][]byte
	At            time.Time
	Host          string
	Usage         string
}

type answer struct {
	Name   string `json:"name"`
	Ok     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}

var usages = map[string]x509.ExtKeyUsage{
	"serverAuth": x509.ExtKeyUsageServerAuth,
	"clientAuth": x509.ExtKeyUsageClientAuth,
}

func pool(certificates [][]byte) (*x509.CertPool, error) {
	found := x509.NewCertPool()
	for _, der := range certificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		found.AddCert(certificate)
	}
	return found, nil
}

func verify(asked question) error {
	leaf, err := x509.ParseCertificate(asked.Leaf)
	if err != nil {
		return err
	}
	roots, err := pool(asked.Roots)
	if err != nil {
		return err
	}
	intermediates, err := pool(asked.Intermediates)
	if err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		DNSName:       asked.Host,
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   asked.At,
		KeyUsages:     []x509.ExtKeyUsage{usages[asked.Usage]},
	})
	return err
}

func main() {
	questions := json.NewDecoder(bufio.NewReader(os.Stdin))
	answers := json.NewEncoder(os.Stdout)
	for questions.More() {
		var asked question
		if err := questions.Decode(&asked); err != nil {
			panic(err)
		}
		given := answer{Name: asked.Name, Ok: true}
		if err := verify(asked); err != nil {
			given.Ok, given.Reason = false, err.Error()
		}
		if err := answers.Encode(given); err != nil {
			panic(err)
		}
	}
}
