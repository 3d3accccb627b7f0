package audit

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"sync"
)

const (
	keySize    = 32 // of a key that is made, and the least of one that is given
	maxKeySize = 4 << 10
)

// newMACs is a pool of hash.Hash under one key.
func newMACs(key []byte) *sync.Pool {
	return &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
}

// readKey takes the key from a file, all of its bytes.
func readKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read audit key: %w", err)
	}
	if len(key) < keySize || len(key) > maxKeySize {
		return nil, fmt.Errorf("cannot use audit key %q: it has %d bytes, not %d to %d", path, len(key), keySize, maxKeySize)
	}
	return key, nil
}

// keepKey takes the key from a file, which it makes if there is none. The log's lock
// keeps others out.
func keepKey(path string, h *hooks) (key []byte, made bool, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		key, err = readKey(path)
		return key, false, err
	}
	key = randomKey()
	if err := writeWhole(path, key, 0o600, h); err != nil {
		return nil, false, fmt.Errorf("cannot make audit key %q: %w", path, err)
	}
	return key, true, nil
}

// writeWhole makes a file that is whole under its name or not there.
func writeWhole(path string, text []byte, mode fs.FileMode, h *hooks) error {
	draft := path + ".new"
	if err := h.remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	made, err := h.make(draft, os.O_WRONLY|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	f := h.wrapped(logFile{made, path})
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = h.rename(draft, path)
	}
	return err
}

func randomKey() []byte {
	key := make([]byte, keySize)
	rand.Read(key) // never fails: it ends the process instead
	return key
}

// Digest is the HMAC-SHA-256 of b in hex, for Sent: a plain hash of a person's
// attributes could be guessed.
func (j *Journal) Digest(b []byte) string {
	sum := j.mac(nil, b)
	return hex.EncodeToString(sum[:])
}

// Actor stands for a token in records: 16 hex digits that tell two tokens apart
// and nothing else. It shares no digest with a body.
func (j *Journal) Actor(token []byte) string {
	sum := j.mac([]byte("actor\x00"), token)
	return hex.EncodeToString(sum[:8])
}

func (j *Journal) mac(domain, b []byte) (sum [32]byte) {
	mac := j.macs.Get().(hash.Hash)
	defer j.macs.Put(mac)
	mac.Reset()
	mac.Write(domain)
	mac.Write(b)
	mac.Sum(sum[:0])
	return sum
}
