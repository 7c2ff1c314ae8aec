// Answers every question on standard input as Go does: what crypto/x509 says of a chain, what it and encoding/pem read
// from a bundle.
//
// A question is one JSON object on a line: name, leaf, roots, intermediates (base64 DER), at (RFC 3339), host, usage; or
// name and bundle (text). Answers come in the same order.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
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
	Bundle        *string
}

type verdict struct {
	Name   string `json:"name"`
	Ok     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}

type reading struct {
	Name    string   `json:"name"`
	Labels  []string `json:"labels"`
	Rest    bool     `json:"rest"`
	Trusted int      `json:"trusted"`
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

func judge(asked question) verdict {
	if err := verify(asked); err != nil {
		return verdict{asked.Name, false, err.Error()}
	}
	return verdict{asked.Name, true, ""}
}

func read(asked question) reading {
	labels := []string{}
	block, rest := pem.Decode([]byte(*asked.Bundle))
	for ; block != nil; block, rest = pem.Decode(rest) {
		labels = append(labels, block.Type)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(*asked.Bundle))
	return reading{asked.Name, labels, len(rest) > 0, len(pool.Subjects())}
}

func main() {
	questions := json.NewDecoder(bufio.NewReader(os.Stdin))
	answers := json.NewEncoder(os.Stdout)
	for questions.More() {
		var asked question
		if err := questions.Decode(&asked); err != nil {
			panic(err)
		}
		var given any
		if asked.Bundle != nil {
			given = read(asked)
		} else {
			given = judge(asked)
		}
		if err := answers.Encode(given); err != nil {
			panic(err)
		}
	}
}
