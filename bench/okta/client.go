package okta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Event is one request of Okta and what came of it.
type Event struct {
	Did      string // in words: "create Ada Lovelace"
	Person   *Person
	Method   string
	Target   string // behind the Base URL
	Sent     string
	Status   int // 0: there was no answer
	Answer   string
	Findings string // header X-Scimgate-Findings, "" without a gateway
	Attempt  int
	Took     time.Duration
	Sees     string // what the administrator sees under Tasks; "" if all is well
}

// Client makes Okta's requests and reacts to answers as Okta does.
type Client struct {
	BaseURL string // as pasted: a slash at its end makes two
	Token   string
	Watch   func(Event)         // or nil
	Wait    func(time.Duration) // between attempts; nil is time.Sleep
	HTTP    http.Client         // its Timeout is Okta's 60 s
	Tasks   []string            // what an administrator has to look at
	events  int
}

// patience is how long Okta waits for an answer (Okta, SCIM concepts).
const patience = 60 * time.Second

// attempts is how often Okta repeats after a 429 (Okta, SCIM concepts).
const attempts = 10

// exchange is one request with Okta's reactions: 429 with whole seconds is repeated
// after that pause, then after twice as long; without, after five minutes. All else
// is final.
func (c *Client) exchange(e Event) (status int, answer []byte) {
	wait := time.Duration(0)
	for e.Attempt = 1; ; e.Attempt++ {
		began := time.Now()
		resp, body, err := c.once(e)
		e.Took = time.Since(began)
		e.Status, e.Answer, e.Findings, e.Sees = 0, string(body), "", ""
		if err != nil {
			e.Sees = "Error while trying to reach the server: " + plain(err)
			c.report(e, true)
			return 0, nil
		}
		e.Status, e.Findings = resp.StatusCode, resp.Header.Get("X-Scimgate-Findings")
		if e.Status == 429 && e.Attempt < attempts {
			if wait *= 2; wait == 0 {
				wait = 5 * time.Minute
				if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
					wait = time.Duration(seconds) * time.Second
				}
			}
			e.Sees = fmt.Sprintf("paused for %s", wait)
			c.report(e, false)
			c.pause(wait)
			continue
		}
		e.Sees = complaint(e, body)
		c.report(e, e.Sees != "")
		return e.Status, body
	}
}

func (c *Client) pause(d time.Duration) {
	if c.Wait != nil {
		c.Wait(d)
		return
	}
	time.Sleep(d)
}

func plain(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// once sends a request with Okta's headers, no more and no less.
func (c *Client) once(e Event) (*http.Response, []byte, error) {
	req, err := http.NewRequest(e.Method, c.BaseURL+e.Target, bytes.NewReader([]byte(e.Sent)))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/scim+json")
	req.Header.Set("Accept-Charset", "utf-8")
	req.Header.Set("User-Agent", "Okta SCIM Client 1.0.0")
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if e.Sent != "" {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	if c.HTTP.Timeout == 0 {
		c.HTTP.Timeout = patience
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	return resp, body, err
}

// complaint is what Okta tells the administrator; "" if the answer is as it wants
// it.
func complaint(e Event, body []byte) string {
	var doc struct {
		Detail string
		ID     string
	}
	parsed := json.Unmarshal(body, &doc)
	lookup := e.Method == "GET" && strings.Contains(e.Target, "filter=")
	switch {
	case e.Status == 404 && lookup: // read as: does not exist
		return ""
	case len(body) > 0 && parsed != nil:
		return "Invalid JSON: Unrecognized token: " + strings.TrimSpace(string(body[:min(40, len(body))]))
	case e.Status == 401:
		return "Unauthorized. Errors reported by remote server: " + doc.Detail
	case e.Status >= 400:
		return http.StatusText(e.Status) + ". Errors reported by remote server: " + doc.Detail
	case e.Method == "POST" && doc.ID == "":
		return "Create new user returned empty user"
	}
	return ""
}

func (c *Client) report(e Event, open bool) {
	c.events++
	if open {
		c.Tasks = append(c.Tasks, e.Did+": "+e.Sees)
	}
	if c.Watch != nil {
		c.Watch(e)
	}
}

func quote(s string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic("BUG: a string has no JSON: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func unquote(raw string) (s string) {
	if json.Unmarshal([]byte(raw), &s) != nil {
		return ""
	}
	return s
}

// escape encodes a filter as Okta does: %20 for a blank.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
