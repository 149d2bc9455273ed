/* Debian 12's SyncEvolution 2.0 hands curl_easy_setopt() C++ lambda objects where libcurl expects
 * functions, and dies at its first POST. Loaded before it (LD_PRELOAD), this puts functions in
 * their place; they call the member functions that libsyncevolution exports for the purpose. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>

enum { WRITEFUNCTION = 20011, READFUNCTION = 20012, READ_ABORT = 0x10000000 };

typedef size_t (*Member)(void *, void *, size_t);
typedef int (*SetOption)(void *, int, ...);

static size_t give(char *octets, size_t size, size_t count, void *agent)
{
    Member member = (Member)dlsym(RTLD_DEFAULT, "_ZN7SyncEvo18CurlTransportAgent8readDataEPvm");
    return member ? member(agent, octets, size * count) : READ_ABORT;
}

static size_t take(char *octets, size_t size, size_t count, void *agent)
{
    Member member = (Member)dlsym(RTLD_DEFAULT, "_ZN7SyncEvo18CurlTransportAgent9writeDataEPvm");
    return member ? member(agent, octets, size * count) : 0;
}

int curl_easy_setopt(void *handle, int option, ...)
{
    SetOption original = (SetOption)dlsym(RTLD_NEXT, "curl_easy_setopt");
    va_list arguments;
    va_start(arguments, option);
    void *value = va_arg(arguments, void *);
    va_end(arguments);
    if (option == READFUNCTION)
        value = (void *)give;
    if (option == WRITEFUNCTION)
        value = (void *)take;
    return original(handle, option, value);
}
