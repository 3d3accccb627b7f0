package audit

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// The sink takes everything and syncs nothing: what is measured is encoding, hash
// and hand-over.
func BenchmarkIntendAndSettle(b *testing.B) {
	j, err := open(Settings{File: "-", Config: "0123456789abcdef"}, hooks{wrap: func(file) file { return stream{io.Discard} }})
	must(b, err)
	rec := write("01J9Z3QK8RX4YV0000000000AB")
	rec.Attrs, rec.Sent = []string{"active", "name.givenName"}, strings.Repeat("0f", 32)
	b.ReportAllocs()
	for b.Loop() {
		rec.Outcome = ""
		in, err := j.Intend(rec, Ordinary)
		if err != nil {
			b.Fatal(err)
		}
		rec.Outcome = "ok"
		if err := in.Settle(rec); err != nil {
			b.Fatal(err)
		}
	}
	must(b, j.Close())
}

func BenchmarkRide(b *testing.B) {
	j, err := open(Settings{File: "-", Config: "0123456789abcdef"}, hooks{wrap: func(file) file { return stream{io.Discard} }})
	must(b, err)
	rec := write("01J9Z3QK8RX4YV0000000000AB")
	b.ReportAllocs()
	for b.Loop() {
		j.Ride(rec)
	}
	must(b, j.Close())
}

func BenchmarkVerify(b *testing.B) {
	d := &disk{}
	j, err := onDisk(b, d, nil)
	must(b, err)
	for range 2000 {
		in, err := j.Intend(write("01J9Z3QK8RX4YV0000000000AB"), Ordinary)
		must(b, err)
		must(b, in.Settle(&Record{Outcome: "ok"}))
	}
	must(b, j.Close())
	b.SetBytes(int64(len(d.bytes)))
	for b.Loop() {
		if _, err := Verify(bytes.NewReader(d.bytes)); err != nil {
			b.Fatal(err)
		}
	}
}
