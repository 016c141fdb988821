/* C++ with its runtime inside: exceptions through frames, destructors, streams, containers, statics. */
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

namespace
{

struct Noisy {
    std::string name;
    explicit Noisy(std::string n) : name(std::move(n))
    {
        std::cout << "made " << name << '\n';
    }
    ~Noisy()
    {
        std::cout << "gone " << name << '\n';
    }
};

struct Base {
    virtual ~Base() = default;
    virtual int value() const
    {
        return 1;
    }
};
struct Derived : Base {
    int value() const override
    {
        return 2;
    }
};

class Own : public std::runtime_error
{
  public:
    Own(const std::string &what, double number) : std::runtime_error(what), number(number)
    {
    }
    double number;
};

Noisy global("global");

Noisy &local_static()
{
    static Noisy once("local static");
    return once;
}

int deep(int n)
{
    Noisy here("frame " + std::to_string(n));
    volatile double kept = n * 1.5; /* in a register that unwinding must bring back */

    if (n == 0)
        throw Own("from below", kept + 0.25);
    return deep(n - 1) + static_cast<int>(kept);
}

void catches()
{
    double local = 2.5;

    try {
        deep(3);
    } catch (const std::logic_error &) {
        std::cout << "the wrong handler\n";
    } catch (const Own &e) {
        std::cout << "caught " << e.what() << ' ' << e.number << ' ' << local << '\n';
    }
    try {
        try {
            throw 42;
        } catch (int &n) {
            n++;
            throw;
        }
    } catch (int n) {
        std::cout << "again " << n << '\n';
    }
    try {
        std::vector<int>().at(7);
    } catch (const std::out_of_range &) {
        std::cout << "out of range\n";
    }
    try {
        dynamic_cast<Derived &>(*std::make_unique<Base>());
    } catch (const std::bad_cast &) {
        std::cout << "bad cast\n";
    }
}

void nests()
{
    std::exception_ptr kept;

    try {
        try {
            throw std::runtime_error("inner");
        } catch (...) {
            std::throw_with_nested(std::runtime_error("outer"));
        }
    } catch (const std::exception &e) {
        std::cout << e.what();
        try {
            std::rethrow_if_nested(e);
        } catch (const std::exception &inner) {
            std::cout << " around " << inner.what() << '\n';
            kept = std::current_exception();
        }
    }
    try {
        std::rethrow_exception(kept);
    } catch (const std::exception &e) {
        std::cout << "kept " << e.what() << '\n';
    }
}

int many()
{
    int sum = 0;

    for (int i = 0; i < 1000; i++) {
        try {
            if (i % 2)
                throw i;
            throw std::string("even");
        } catch (int n) {
            sum += n;
        } catch (const std::string &s) {
            sum += static_cast<int>(s.size());
        }
    }
    return sum;
}

} // namespace

int main()
{
    std::map<std::string, std::function<int(const Base &)>> calls;
    std::ostringstream text;
    Derived derived;

    local_static();
    local_static();
    catches();
    nests();
    std::cout << "thrown a thousand times: " << many() << '\n';
    calls["value"] = [](const Base &b) { return b.value(); };
    text << "lambda " << calls["value"](derived) << ' ' << typeid(int).name() << ' ' << 1.5e10;
    std::cout << text.str() << std::endl;
    std::string word;
    while (std::cin >> word)
        std::cout << "word " << word << '\n';
    return 6;
}
