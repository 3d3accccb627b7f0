// Package tokens knows who may talk to the gateway. Where it holds AWS's token itself:
// gateway tokens, kept as hashes in a file, several at once so that one can be replaced
// by another; and AWS's token, read from a file or an environment variable. Both files
// are read again when they change. Where clients bring AWS's own: which of them AWS has
// accepted before ([Seen]), and how much those may try who have not shown anything yet
// ([Guesses]).
//
// No token is ever in an error, and none is stored.
package tokens

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Settings say where the tokens are. Both empty: the client's own token is AWS's.
type Settings struct {
	// File holds the hashes of gateway tokens, "NAME SHA256" a line; # begins a
	// comment.
	File string `yaml:"file"`
	// Upstream is where AWS's token is: file:PATH or env:NAME.
	Upstream string `yaml:"upstream"`
	// Expires is the day on which AWS's token ends, 2027-03-31; if empty, a year from
	// when it was seen first.
	Expires string `yaml:"expires"`
}

// Ends is the beginning of the day of Expires, the zero time without one.
func (s Settings) Ends() time.Time {
	ends, _ := time.Parse(time.DateOnly, s.Expires)
	return ends
}

// Check reports all that is wrong with the settings, but opens no file.
func (s Settings) Check() error {
	var faults []error
	if (s.File == "") != (s.Upstream == "") {
		faults = append(faults, errors.New("file and upstream go together: a gateway that holds AWS's token must know who may use it"))
	}
	if s.Expires != "" && s.Ends().IsZero() {
		faults = append(faults, fmt.Errorf("expires %q is not a day such as 2027-03-31", s.Expires))
	}
	if _, _, err := s.source(); s.Upstream != "" && err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func (s Settings) source() (kind, name string, err error) {
	kind, name, _ = strings.Cut(s.Upstream, ":")
	if kind != "file" && kind != "env" || name == "" {
		return "", "", errors.New("upstream is not file:PATH or env:NAME; a token itself doesn't belong into a configuration")
	}
	return kind, name, nil
}

// Bounds of the files.
const (
	maxTokens = 64
	maxFile   = 64 << 10
	maxToken  = 4 << 10
	maxName   = 64
	freshFor  = time.Second // after which a file is looked at again
)

// Keeper knows the tokens. Safe for concurrent use.
type Keeper struct {
	gateway, upstream source

	mu    sync.Mutex // guards following
	known []known
	held  []byte
	told  string // what was wrong when somebody was told last
	tell  func(error)
}

type known struct {
	name string
	hash [sha256.Size]byte
}

// source is a file that is read again when it has changed, and rests.
type source struct {
	path    string // "" for an environment variable
	looked  time.Time
	changed time.Time // as it was read last; zero: it is to be read again
	size    int64
	fault   error
}

// Open reads the tokens. It returns nil without error if none are set.
func Open(s Settings) (*Keeper, error) {
	if s.File == "" {
		return nil, nil
	}
	k := &Keeper{gateway: source{path: s.File}}
	kind, name, err := s.source()
	if err != nil {
		return nil, err
	}
	if kind == "env" {
		k.held = []byte(strings.TrimSpace(os.Getenv(name)))
		if len(k.held) == 0 {
			return nil, fmt.Errorf("the environment variable %s holds no token", name)
		}
	} else {
		k.upstream.path = name
	}
	if err := k.Err(); err != nil {
		return nil, err
	}
	return k, nil
}

// Tell has f called when what is wrong with the files changes, from now on; its error is
// nil when nothing is any more.
func (k *Keeper) Tell(f func(error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tell = f
}

// Match tells whose token it is; ok is false for one that is nobody's. It takes the
// same time for every token.
func (k *Keeper) Match(token []byte) (name string, ok bool) {
	hash := sha256.Sum256(token)
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.refreshLocked(time.Now())
	for i := range k.known {
		if subtle.ConstantTimeCompare(hash[:], k.known[i].hash[:]) == 1 {
			name, ok = k.known[i].name, true
		}
	}
	return name, ok
}

// Upstream is AWS's token. It is not to be changed.
func (k *Keeper) Upstream() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.refreshLocked(time.Now())
	return k.held
}

// Err is what is wrong with the files now. A file that can't be read leaves in force what
// it held; of one that can, each line that is sound is, and nothing else: what was taken
// out of it is revoked.
func (k *Keeper) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gateway.looked, k.upstream.looked = time.Time{}, time.Time{}
	return k.refreshLocked(time.Now())
}

func (k *Keeper) refreshLocked(now time.Time) error {
	var faults []error
	if err := k.gateway.refresh(now, k.takeKnown); err != nil {
		faults = append(faults, fmt.Errorf("cannot read gateway tokens: %w", err))
	}
	if err := k.upstream.refresh(now, k.takeHeld); err != nil {
		faults = append(faults, fmt.Errorf("cannot read the upstream's token: %w", err))
	}
	err, text := errors.Join(faults...), ""
	if err != nil {
		text = err.Error()
	}
	if text != k.told && k.tell != nil {
		k.told = text
		k.tell(err)
	}
	return err
}

func (k *Keeper) takeKnown(text []byte) (err error) {
	k.known, err = parse(text)
	return err
}

// takeHeld leaves what it held in force if there is nothing else.
func (k *Keeper) takeHeld(text []byte) error {
	if text = bytes.TrimSpace(text); len(text) == 0 || len(text) > maxToken || bytes.ContainsAny(text, " \t\r\n") {
		return errors.New("the file does not hold one token and nothing else")
	}
	k.held = bytes.Clone(text)
	return nil
}

// refresh hands the file's text on if it has changed.
func (s *source) refresh(now time.Time, take func(text []byte) error) error {
	if s.path == "" || !s.looked.IsZero() && now.Sub(s.looked) < freshFor {
		return s.fault
	}
	s.looked = now
	text, anew, err := s.read(now)
	switch {
	case err != nil:
		s.fault, s.changed = err, time.Time{}
	case anew:
		s.fault = take(text)
	}
	return s.fault
}

// read tells whether the text is another one than before. One that is being written is
// left until it rests.
func (s *source) read(now time.Time) (text []byte, anew bool, err error) {
	status, err := os.Stat(s.path)
	if err != nil {
		return nil, false, err
	}
	if status.ModTime().Equal(s.changed) && status.Size() == s.size {
		return nil, false, nil
	}
	if age := now.Sub(status.ModTime()); !s.changed.IsZero() && age >= 0 && age < freshFor {
		return nil, false, nil
	}
	if status.Size() > maxFile {
		return nil, false, fmt.Errorf("%s has more than %d bytes", s.path, maxFile)
	}
	text, err = os.ReadFile(s.path)
	if err != nil {
		return nil, false, err
	}
	s.changed, s.size = status.ModTime(), status.Size()
	return text, true, nil
}

// parse returns the lines that are sound, whatever is wrong with others.
func parse(text []byte) (list []known, err error) {
	var faults []error
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		one := known{name: fields[0]}
		hash, bad := []byte(nil), error(nil)
		if len(fields) == 2 {
			hash, bad = hex.DecodeString(fields[1])
		}
		switch {
		case bad != nil || len(hash) != sha256.Size || CheckName(one.name) != nil:
			faults = append(faults, fmt.Errorf("line %d is not a name and a SHA-256 in hex; scimgate token makes one", n))
		case len(list) == maxTokens:
			return list, fmt.Errorf("the file has more than %d tokens", maxTokens)
		default:
			copy(one.hash[:], hash)
			list = append(list, one)
		}
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, err)
	}
	if len(list) == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("the file has no token; scimgate token makes one"))
	}
	return list, errors.Join(faults...)
}

// CheckName says why no token can have that name: in the file it is a word of its own.
func CheckName(name string) error {
	if fields := strings.Fields(name); len(fields) != 1 || fields[0] != name || strings.Contains(name, "#") || len(name) > maxName {
		return fmt.Errorf("cannot name a token %q: a name has 1 to %d bytes, no white space and no #", name, maxName)
	}
	return nil
}

// Make makes a new gateway token and the line for the file. The name is one that
// [CheckName] takes.
func Make(name string) (token, line string) {
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		panic("BUG: no randomness: " + err.Error())
	}
	token = "sg_" + base64.RawURLEncoding.EncodeToString(random)
	hash := sha256.Sum256([]byte(token))
	return token, name + " " + hex.EncodeToString(hash[:])
}
