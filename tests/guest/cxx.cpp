// A C++ program that leans on its run-time library: exceptions through frames with destructors and
// across threads, locales, streams, regular expressions, condition variables, atomics, thread-local
// storage. Prints the same lines on every machine.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <future>
#include <iomanip>
#include <iostream>
#include <locale>
#include <map>
#include <memory>
#include <mutex>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{
struct Counted {
    static std::atomic<int> alive;
    Counted()
    {
        alive++;
    }
    ~Counted()
    {
        alive--;
    }
};
std::atomic<int> Counted::alive{0};

int descend(int depth)
{
    Counted c;
    std::string s(static_cast<size_t>(depth), 'x');
    if (depth == 0)
        throw std::out_of_range("bottom");
    return descend(depth - 1) + static_cast<int>(s.size());
}

void exceptions()
{
    int caught = 0;
    for (int i = 0; i < 200; i++) {
        try {
            descend(i % 20);
        } catch (const std::logic_error &e) {
            caught += std::string(e.what()) == "bottom";
        }
    }
    std::printf("exceptions %d alive %d\n", caught, Counted::alive.load());
    auto f = std::async(std::launch::async, [] { return descend(3); });
    try {
        f.get();
    } catch (const std::exception &e) {
        std::printf("across threads: %s\n", e.what());
    }
}

void threads()
{
    std::mutex m;
    std::condition_variable cv;
    std::atomic<long> sum{0};
    long turn = 0;
    thread_local long mine = 0;
    std::vector<std::thread> all;
    for (long id = 0; id < 8; id++) {
        all.emplace_back([&, id] {
            for (int i = 0; i < 2000; i++) {
                sum += i;
                mine++;
            }
            std::unique_lock<std::mutex> lock(m);
            cv.wait(lock, [&] { return turn == id; });
            turn++;
            cv.notify_all();
            if (mine != 2000)
                std::puts("thread-local storage is shared");
        });
    }
    for (auto &t : all)
        t.join();
    std::printf("threads sum %ld turn %ld\n", sum.load(), turn);
}

void text()
{
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out << std::setprecision(17) << 0.1 << ' ' << std::hex << 48879 << ' ' << std::scientific << 6.02e23;
    std::printf("stream %s\n", out.str().c_str());
    std::map<std::string, int> words;
    std::regex word("([a-z]+)");
    std::string line = "the cat and the dog and the bird";
    for (std::sregex_iterator it(line.begin(), line.end(), word), end; it != end; ++it)
        words[(*it)[1]]++;
    for (const auto &w : words)
        std::printf("%s=%d ", w.first.c_str(), w.second);
    std::printf("\n");
    try {
        std::locale missing("xx_XX.nowhere");
        std::printf("locale exists?\n");
    } catch (const std::runtime_error &) {
        std::printf("no such locale\n");
    }
    std::wstring wide = L"gr\u00fc\u00df";
    std::printf("wide %zu toupper %c\n", wide.size(), std::toupper('q', std::locale::classic()));
}
} // namespace

int main()
{
    exceptions();
    threads();
    text();
    auto owned = std::make_unique<Counted>();
    std::printf("alive %d\n", Counted::alive.load());
    return 0;
}
