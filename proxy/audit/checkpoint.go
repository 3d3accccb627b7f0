package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// Checkpoint says that a log has a record of that number with that hash. Kept
// elsewhere, it shows that a log was cut short; signed, also that it was written anew.
//
// A record of kind checkpoint holds one of the record before it.
type Checkpoint struct {
	Seq  uint64
	Hash string // SHA-256 of the record's line, hex
	Key  string // 16 hex digits of the SHA-256 of the public key; "" if it isn't signed
	Sig  string // Ed25519 over the text that says all of this, base64; "" if it isn't signed
}

// String is SEQ:HASH, or SEQ:HASH:KEY:SIG if it is signed; ParseCheckpoint reads it.
func (c Checkpoint) String() string {
	if c.Sig == "" {
		return fmt.Sprintf("%d:%s", c.Seq, c.Hash)
	}
	return fmt.Sprintf("%d:%s:%s:%s", c.Seq, c.Hash, c.Key, c.Sig)
}

// ParseCheckpoint reads what String writes.
func ParseCheckpoint(text string) (Checkpoint, error) {
	parts := strings.Split(strings.TrimSpace(text), ":")
	if len(parts) != 2 && len(parts) != 4 {
		return Checkpoint{}, fmt.Errorf("%q is not SEQ:HASH or SEQ:HASH:KEY:SIGNATURE", text)
	}
	seq, err := strconv.ParseUint(parts[0], 10, 64)
	if _, bad := hex.DecodeString(parts[1]); err != nil || bad != nil || len(parts[1]) != 2*sha256.Size || seq == 0 {
		return Checkpoint{}, fmt.Errorf("%q is not SEQ:HASH or SEQ:HASH:KEY:SIGNATURE", text)
	}
	c := Checkpoint{Seq: seq, Hash: parts[1]}
	if len(parts) == 4 {
		c.Key, c.Sig = parts[2], parts[3]
	}
	return c, nil
}

// statement is what is signed.
func (c Checkpoint) statement() []byte {
	return fmt.Appendf(nil, "scimgate audit checkpoint 1\n%d\n%s\n", c.Seq, c.Hash)
}

// SignedBy tells whether one of the keys has signed it.
func (c Checkpoint) SignedBy(keys ...ed25519.PublicKey) bool {
	sig, err := base64.StdEncoding.DecodeString(c.Sig)
	if err != nil || len(sig) != ed25519.SignatureSize {
		return false
	}
	for _, key := range keys {
		if keyID(key) == c.Key && ed25519.Verify(key, c.statement(), sig) {
			return true
		}
	}
	return false
}

func keyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// signer signs checkpoints.
type signer struct {
	key ed25519.PrivateKey
	id  string
}

func (s *signer) sign(seq uint64, hash [32]byte) Checkpoint {
	c := Checkpoint{Seq: seq, Hash: hex.EncodeToString(hash[:]), Key: s.id}
	c.Sig = base64.StdEncoding.EncodeToString(ed25519.Sign(s.key, c.statement()))
	return c
}

// newSigner takes the key of the settings; without one a log on a disk has its own,
// made once beside it, with the public part for who verifies. A stream has none then.
func newSigner(s Settings, h *hooks) (*signer, error) {
	path := s.SigningKeyFile
	if path == "" {
		if s.File == "-" {
			return nil, nil
		}
		path = s.File + ".signing"
		if err := keepSigningKey(path, h); err != nil {
			return nil, fmt.Errorf("cannot make the key that signs checkpoints: %w", err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key that signs checkpoints: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("cannot use %q as the key that signs checkpoints: it is no PEM file", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("cannot use %q as the key that signs checkpoints: it holds no Ed25519 key in PKCS #8", path)
	}
	public := key.Public().(ed25519.PublicKey)
	if s.SigningKeyFile == "" {
		if err := showKey(s.File+".pub", public, h); err != nil {
			return nil, fmt.Errorf("cannot write the public key of checkpoints: %w", err)
		}
	}
	return &signer{key, keyID(public)}, nil
}

// showKey sees to it that a file holds the public key.
func showKey(path string, key ed25519.PublicKey, h *hooks) error {
	if has, err := ReadPublicKey(path); err == nil && has.Equal(key) {
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	return writeWhole(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644, h)
}

// keepSigningKey makes the private key's file if there is none. The log's lock keeps
// others out.
func keepSigningKey(private string, h *hooks) error {
	if _, err := os.Lstat(private); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writeWhole(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600, h)
}

// ReadPublicKey reads the PEM file of a key that checkpoints are signed with.
func ReadPublicKey(path string) (ed25519.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file", path)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(ed25519.PublicKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s holds no public key of Ed25519", path)
	}
	return key, nil
}

// markLater sees to it that a checkpoint follows a record within the interval. It is
// called with mu held.
func (j *Journal) markLater() {
	if j.signer == nil || j.marking || j.closed {
		return
	}
	j.marking = true
	if j.marks == nil {
		j.marks = time.AfterFunc(j.markEvery, j.mark)
		return
	}
	j.marks.Reset(j.markEvery)
}

// mark is the timer's: it writes a checkpoint, and hands it to who keeps it elsewhere.
// While nothing can be recorded it is tried again later.
func (j *Journal) mark() {
	j.mu.Lock()
	var c Checkpoint
	now, err := j.prelude()
	if err == nil && j.scarce != nil { // the last of the disk is for others
		err = j.scarce
	}
	if err == nil {
		c = j.checkpoint(now)
		err = j.commit(j.seq)
	} else {
		j.mu.Unlock()
	}
	if err == nil {
		j.handOut(c)
	}
	j.mu.Lock()
	j.marking = false
	if err != nil || j.seq > c.Seq+1 { // or there are records that came meanwhile
		j.markLater()
	}
	j.done.Broadcast()
	j.mu.Unlock()
}

// checkpoint signs the last record, in one of its own. It is called with mu held.
func (j *Journal) checkpoint(now time.Time) Checkpoint {
	c := j.signer.sign(j.seq, j.hash)
	j.add(&Record{Time: now, Kind: KindCheckpoint, Key: c.Key, Sig: c.Sig})
	return c
}

// handOut gives a checkpoint to who keeps it where the log's writer can't reach it.
func (j *Journal) handOut(c Checkpoint) {
	var err error
	if j.markFile != "" {
		err = appendLine(j.markFile, c.String())
	}
	if j.told != nil {
		j.told(c, err)
	}
}

// appendLine makes a line durable at the end of a file.
func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}
