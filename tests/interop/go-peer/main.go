// peer is a real member of hashicorp/memberlist for tests to talk to.
//
// It writes one JSON object a line to stdout (events, and answers to commands) and reads one command a line from
// stdin: members, join ADDRESS..., meta HEX, user NAME HEX, key add|use|remove HEX, leave, quit. It ends when stdin
// does, and after -life in any case, so that a test that dies leaves nothing behind.
//
// The same file builds with every release from 0.2.2 on; labels, which came later, are in a file of their own.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

type fields map[string]interface{}

var stdout sync.Mutex

func emit(line fields) {
	line["unix"] = float64(time.Now().UnixNano()) / 1e9
	encoded, err := json.Marshal(line)
	if err != nil {
		log.Fatal(err)
	}
	stdout.Lock()
	defer stdout.Unlock()
	os.Stdout.Write(append(encoded, '\n'))
}

func describe(node *memberlist.Node) fields {
	return fields{"name": node.Name, "address": node.Addr.String(), "port": node.Port,
		"meta": hex.EncodeToString(node.Meta)}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// observer tells what memberlist tells its application.
type observer struct{}

func (observer) NotifyJoin(node *memberlist.Node) {
	emit(fields{"event": "join", "node": describe(node)})
}
func (observer) NotifyLeave(node *memberlist.Node) {
	emit(fields{"event": "leave", "node": describe(node)})
}
func (observer) NotifyUpdate(node *memberlist.Node) {
	emit(fields{"event": "update", "node": describe(node)})
}
func (observer) NotifyConflict(known, claimed *memberlist.Node) {
	emit(fields{"event": "conflict", "node": describe(known), "other": describe(claimed)})
}

// application is a delegate that has meta and takes user messages. MetalLB's speakers have none.
type application struct {
	mu   sync.Mutex
	meta []byte
}

func (a *application) NodeMeta(limit int) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.meta
}

func (a *application) setMeta(meta []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.meta = meta
}

func (a *application) NotifyMsg(payload []byte) {
	emit(fields{"event": "user", "payload": hex.EncodeToString(payload)})
}
func (a *application) GetBroadcasts(overhead, limit int) [][]byte { return nil }
func (a *application) LocalState(join bool) []byte                { return nil }
func (a *application) MergeRemoteState(state []byte, join bool)   {}

func unhex(value string) []byte {
	decoded, err := hex.DecodeString(value)
	if err != nil {
		log.Fatal(err)
	}
	return decoded
}

func keyring(keys string) *memberlist.Keyring {
	var all [][]byte
	for _, key := range strings.Split(keys, ",") {
		all = append(all, unhex(key))
	}
	ring, err := memberlist.NewKeyring(all, all[0])
	if err != nil {
		log.Fatal(err)
	}
	return ring
}

func versions(config *memberlist.Config, triple string) {
	var numbers [3]uint8
	for index, part := range strings.Split(triple, ",") {
		number, err := strconv.Atoi(part)
		if err != nil {
			log.Fatal(err)
		}
		numbers[index] = uint8(number)
	}
	config.DelegateProtocolMin, config.DelegateProtocolMax, config.DelegateProtocolVersion =
		numbers[0], numbers[1], numbers[2]
}

// peer is the member and what its commands need.
type peer struct {
	list        *memberlist.Memberlist
	config      *memberlist.Config
	application *application
}

func (p *peer) find(name string) *memberlist.Node {
	for _, node := range p.list.Members() {
		if node.Name == name {
			return node
		}
	}
	return nil
}

func (p *peer) changeKeys(how string, key []byte) error {
	switch how {
	case "add":
		return p.config.Keyring.AddKey(key)
	case "use":
		return p.config.Keyring.UseKey(key)
	case "remove":
		return p.config.Keyring.RemoveKey(key)
	}
	return fmt.Errorf("no such change: %s", how)
}

func (p *peer) answer(words []string) fields {
	answer := fields{"answer": words[0]}
	switch words[0] {
	case "members":
		var members []fields
		for _, node := range p.list.Members() {
			members = append(members, describe(node))
		}
		answer["members"], answer["health"] = members, p.list.GetHealthScore()
	case "join":
		contacted, err := p.list.Join(words[1:])
		answer["contacted"], answer["error"] = contacted, text(err)
	case "meta":
		p.application.setMeta(unhex(words[1]))
		answer["error"] = text(p.list.UpdateNode(5 * time.Second))
	case "user":
		if node := p.find(words[1]); node == nil {
			answer["error"] = "no such member"
		} else {
			answer["error"] = text(p.list.SendBestEffort(node, unhex(words[2])))
		}
	case "key":
		answer["error"] = text(p.changeKeys(words[1], unhex(words[2])))
	case "leave":
		answer["error"] = text(p.list.Leave(5 * time.Second))
	default:
		answer["error"] = "no such command"
	}
	return answer
}

func main() {
	name := flag.String("name", "go-a", "name of the member")
	bind := flag.String("bind", "127.0.0.1", "address")
	port := flag.Int("port", 7946, "port")
	profile := flag.String("profile", "lan", "lan, wan or local")
	join := flag.String("join", "", "seeds, host:port, separated by commas")
	keys := flag.String("key", "", "AES keys in hex, separated by commas; the first one encrypts")
	label := flag.String("label", "", "label of all packets and streams")
	meta := flag.String("meta", "", "meta in hex")
	triple := flag.String("delegate-versions", "0,0,0", "min, max, current")
	bare := flag.Bool("bare", false, "no delegate at all, as MetalLB's speakers")
	protocol := flag.Int("protocol", 2, "protocol version spoken; 1 gives encryption version 0")
	life := flag.Duration("life", 5*time.Minute, "end after this long, always")
	flag.Parse()
	time.AfterFunc(*life, func() { os.Exit(3) })

	profiles := map[string]func() *memberlist.Config{
		"lan": memberlist.DefaultLANConfig, "wan": memberlist.DefaultWANConfig, "local": memberlist.DefaultLocalConfig}
	config := profiles[*profile]()
	config.Name, config.BindAddr, config.BindPort, config.AdvertisePort = *name, *bind, *port, *port
	config.ProtocolVersion = uint8(*protocol)
	versions(config, *triple)
	if *keys != "" {
		config.Keyring = keyring(*keys)
	}
	if *label != "" {
		setLabel(config, *label)
	}
	delegate := &application{meta: unhex(*meta)}
	config.Events, config.Conflict = observer{}, observer{}
	if !*bare {
		config.Delegate = delegate
	}
	config.LogOutput = os.Stderr

	list, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	emit(fields{"event": "ready"})
	self := &peer{list, config, delegate}
	if *join != "" {
		emit(self.answer(append([]string{"join"}, strings.Split(*join, ",")...)))
	}
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		words := strings.Fields(input.Text())
		if len(words) == 0 || words[0] == "quit" {
			return
		}
		emit(self.answer(words))
	}
}
